import { smallBytes } from '../body-limits.ts';
import type { Cancellation } from '../engine/runner.ts';
import type { RestRequest } from '../protocols/protocol.ts';
import type { Peer } from '../security/access.ts';
import { type Caller, holderOf } from '../security/caller.ts';
import type { PlainConnection } from './plain-connection.ts';
import type { PlainHead } from './plain-head.ts';

/** A request of the plain lane: it is there as a whole. */
export class PlainRequest implements RestRequest, Cancellation {
  readonly method = 'POST';
  readonly bodyEndedMs = performance.now();
  readonly headers: PlainHead['headers'];
  readonly path: string;
  readonly #queryAt: number;
  readonly #url: string;
  readonly #body: Buffer;
  readonly #connection: PlainConnection;

  constructor({ url, headers }: PlainHead, body: Buffer, connection: PlainConnection) {
    this.headers = headers;
    this.#url = url;
    this.#queryAt = url.indexOf('?');
    this.path = this.#queryAt < 0 ? url : url.slice(0, this.#queryAt);
    this.#body = body;
    this.#connection = connection;
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#queryAt < 0 ? '' : this.#url.slice(this.#queryAt + 1));
  }

  get signal(): Cancellation {
    return this;
  }

  /** Whether the client has gone. */
  get aborted(): boolean {
    return this.#connection.socket.destroyed;
  }

  /** Small ones are not worth it: where all of them fill what nobody's may hold, the next is node:http's. @throws ServingError SERVING_OVERLOADED */
  claim(caller: Caller, peer: Peer): void {
    if (this.#body.length > smallBytes) this.#connection.claim(this.#body.length, holderOf(caller, peer));
  }

  /** So large an answer is this caller's until it is with the client. @throws ServingError SERVING_OVERLOADED */
  holdAnswer(bytes: number, caller: Caller, peer: Peer): void {
    this.#connection.holdAnswer(bytes, holderOf(caller, peer));
  }

  body(): Promise<Buffer> {
    return Promise.resolve(this.#body);
  }
}
