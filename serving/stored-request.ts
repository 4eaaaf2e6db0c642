import type { IncomingHttpHeaders } from 'node:http';
import type { Cancellation } from './engine/runner.ts';
import type { RestRequest } from './protocols/protocol.ts';
import { certificateName, type Peer } from './security/access.ts';
import type { StoredRequest } from './stored.ts';

/** @throws ServingError of the body, as RestRequest says */
export async function storedRequest(request: RestRequest, peer: Peer): Promise<StoredRequest> {
  // The body is unpacked, and its length another.
  const { 'content-encoding': _, 'content-length': __, ...headers } = request.headers;
  return {
    method: request.method,
    path: request.path,
    query: request.query.toString(),
    headers,
    body: request.method === 'GET' ? new Uint8Array() : await request.body(),
    remoteAddress: peer.remoteAddress,
    certificateName: certificateName(peer),
  };
}

export const peerOf = ({ remoteAddress, certificateName: name }: StoredRequest): Peer => ({
  remoteAddress,
  getPeerCertificate: () => (name === undefined ? {} : { subject: { CN: name } }),
});

const present: Cancellation = { aborted: false };

/** A stored request on its way to its answer. */
export class ReplayedRequest implements RestRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Whoever sent it waits elsewhere. */
  readonly signal = present;
  readonly #stored: StoredRequest;
  bodyEndedMs = 0;

  constructor(stored: StoredRequest) {
    this.#stored = stored;
    this.method = stored.method;
    this.path = stored.path;
    this.headers = stored.headers;
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#stored.query);
  }

  /** It is held where it came from, and its answer goes there. */
  claim(): void {}
  holdAnswer(): void {}

  async body(): Promise<Buffer> {
    this.bodyEndedMs = performance.now();
    const { buffer, byteOffset, byteLength } = this.#stored.body;
    return Buffer.from(buffer, byteOffset, byteLength);
  }
}
