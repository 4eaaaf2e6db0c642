import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { DataPlane } from '../dataplane.ts';

/** A request whose head has been read; the body comes when it is asked for, unpacked and within maxBodyBytes. */
export interface RestRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly signal: AbortSignal;
  /** @throws ServingError SERVING_BODY_TOO_LARGE, SERVING_BAD_REQUEST (not gzip) */
  body(): Promise<Buffer>;
}

export interface RestResponse {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body: string | Uint8Array | undefined;
  /** For the metrics and the access log. */
  readonly model?: string;
  readonly version?: number;
  /** Bounded word for the metrics: predict, classify, infer, metadata, status, ... */
  readonly verb: string;
}

/** A protocol over HTTP: a folder here and a row in index.ts. */
export interface RestProtocol {
  /** @returns undefined where the path is not this protocol's. @throws ServingError */
  handle(request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> | undefined;
  /** An error in this protocol's shape. */
  error(message: string, code: string): string;
}
