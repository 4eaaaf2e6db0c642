import type { IncomingHttpHeaders } from 'node:http';

/** The head of a request that leaves nothing to interpretation. */
export interface PlainHead {
  /** With its query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly contentLength: number;
}

const requestLine = /^POST (\/[\x21-\x7e]*) HTTP\/1\.1$/;
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;
const lengthPattern = /^(?:0|[1-9]\d{0,8})$/;

/** Headers that change how a request is read. */
const notPlain: ReadonlySet<string> = new Set([
  'content-encoding',
  'expect',
  'http2-settings',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Reads the head of a POST, without its empty line; undefined where it is in any way unusual, and so node:http's to judge: another
 * method or version, a header twice, one that changes how the body is read, white space where there need be none.
 */
export function parsePlainHead(text: string): PlainHead | undefined {
  const lines = text.split('\r\n');
  const url = requestLine.exec(lines[0] as string)?.[1];
  if (url === undefined) return undefined;
  const headers: IncomingHttpHeaders = Object.create(null);
  for (let index = 1; index < lines.length; index++) {
    const found = headerLine.exec(lines[index] as string);
    if (!found) return undefined;
    const name = (found[1] as string).toLowerCase();
    const value = found[2] as string;
    if (name in headers || notPlain.has(name)) return undefined;
    if (name === 'connection' && value.toLowerCase() !== 'keep-alive') return undefined;
    headers[name] = value;
  }
  const { host, 'content-length': length } = headers;
  if (host === undefined || length === undefined || !lengthPattern.test(length)) return undefined;
  return { url, headers, contentLength: Number(length) };
}
