import type { Servable } from '../../engine/servable.ts';
import { exampleRow } from '../../example.ts';

/** Longest example that is shown whole. */
const shownCharacters = 400;

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (value: string) => value.replace(/[&<>"']/g, (character) => escapes[character] as string);

function modelSection(servable: Servable): string {
  const { model, version, signature } = servable;
  const path = encodeURIComponent(model);
  const example = JSON.stringify(exampleRow(servable));
  const shown =
    example.length <= shownCharacters
      ? example
      : `${example.slice(0, shownCharacters)} … (${example.length} characters)`;
  const tensors = (specs: Servable['signature']['inputs']) =>
    specs.map(({ name, dtype, shape }) => `<code>${escapeHtml(name)}: ${dtype} [${shape}]</code>`).join(', ');
  return `<h2>${escapeHtml(model)}, version ${version}</h2>
<p>Takes ${tensors(signature.inputs)}; gives ${tensors(signature.outputs)}. <a href="/docs/${path}">OpenAPI</a></p>
<pre>curl -X POST http://HOST:PORT/v1/models/${escapeHtml(path)}:predict -H 'content-type: application/json' -d '${escapeHtml(shown)}'</pre>
`;
}

/** What can be asked, for people: no scripts, nothing loaded from elsewhere. */
export function documentationPage(servables: readonly Servable[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>modelmile: models</title>
<h1>Models</h1>
${servables.map(modelSection).join('')}</html>
`;
}
