import type { IncomingHttpHeaders } from 'node:http';

/** A request over HTTP as data, to be answered by another process or at another time. */
export interface StoredRequest {
  readonly method: string;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** Unpacked. */
  readonly body: Uint8Array;
  readonly remoteAddress: string | undefined;
  /** What the client's certificate calls it, where it had to show one. */
  readonly certificateName: string | undefined;
}

export interface StoredResponse {
  readonly status: number;
  /** Names and values in turn. */
  readonly head: readonly string[];
  readonly body: string | Uint8Array;
}
