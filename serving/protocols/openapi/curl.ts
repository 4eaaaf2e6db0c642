import type { Servable } from '../../engine/servable.ts';
import { exampleRow } from '../../example.ts';
import { shellWord } from '../../shell-word.ts';

/** Where a page was asked for, and so where requests can be sent. */
export interface Place {
  /** `http://127.0.0.1:8501`. */
  readonly origin: string;
  /** Whether who asked had to say who they are. */
  readonly isWithKey: boolean;
}

/** Longest example that is shown whole; a longer one is fetched by the line that sends it. */
const shownCharacters = 400;

/** A host and a port as a URL has them, and nothing else. */
const hostPattern = /^(?:[a-z\d][\w.-]{0,252}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i;

/** The address that a request named; a placeholder where it named none, or what is no address. */
export function originOf(scheme: 'http' | 'https', host: string | undefined): string {
  return `${scheme}://${host !== undefined && hostPattern.test(host) ? host : 'HOST:PORT'}`;
}

/** Path of the body that `exampleRow` makes for a model. */
export const examplePath = (model: string): string => `/docs/${encodeURIComponent(model)}/example`;

/** A line for a shell that sends a request which the model answers. */
export function curlLine(servable: Servable, { origin, isWithKey }: Place): string {
  const key = isWithKey ? ' -H "authorization: Bearer $KEY"' : '';
  const url = (path: string) => shellWord(`${origin}${path}`);
  const send = `curl -X POST ${url(`/v1/models/${encodeURIComponent(servable.model)}:predict`)}${key} -H 'content-type: application/json'`;
  const example = JSON.stringify(exampleRow(servable));
  return example.length <= shownCharacters
    ? `${send} -d ${shellWord(example)}`
    : `curl -s ${url(examplePath(servable.model))}${key} | ${send} --data-binary @-`;
}
