import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { allOf, type BodyLimits, HeldBytes, unpackers } from './body-limits.ts';
import type { Cancellation } from './engine/runner.ts';
import { ServingError } from './errors.ts';
import type { RestRequest } from './protocols/protocol.ts';
import type { Peer } from './security/access.ts';
import { type Caller, holderOf } from './security/caller.ts';

/** Path with query; and the host, where the target names one, which then counts instead of the header's (RFC 9112, 3.2.2). */
function targetOf(target: string): [url: string, host?: string] {
  const [, host, url] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target) ?? [];
  if (host === undefined || url === undefined) return [target];
  return [url.startsWith('/') ? url : `/${url}`, host];
}

/** One request over HTTP. Nothing of it is worked out before it is asked for. */
export class IncomingRequest implements RestRequest, Cancellation {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  #body: Promise<Buffer> | undefined;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #held: HeldBytes;
  #holder: string | undefined;
  readonly #query: string;
  /** When the body was there, on `performance.now()`'s clock; 0 before. */
  bodyEndedMs = 0;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, limits: BodyLimits) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#held = new HeldBytes(limits);
    const [url, host] = targetOf(incoming.url as string);
    this.headers = host === undefined ? incoming.headers : { ...incoming.headers, host };
    const queryAt = url.indexOf('?');
    this.path = queryAt < 0 ? url : url.slice(0, queryAt);
    this.#query = queryAt < 0 ? '' : url.slice(queryAt + 1);
  }

  get method(): string {
    return this.#incoming.method as string;
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#query);
  }

  get signal(): Cancellation {
    return this;
  }

  /** Whether the client has gone. */
  get aborted(): boolean {
    return this.#incoming.socket.destroyed;
  }

  /** What it holds is this caller's, who may send many on one connection at a time. @throws ServingError SERVING_OVERLOADED */
  claim(caller: Caller, peer: Peer): void {
    const holder = holderOf(caller, peer);
    this.#held.limits.holdCall(holder);
    this.#holder = holder;
    this.#held.claim(holder);
  }

  /** So large an answer is this caller's until it is with the client. @throws ServingError SERVING_OVERLOADED */
  holdAnswer(bytes: number, caller: Caller, peer: Peer): void {
    // The client is gone, and gets none.
    if (this.aborted) return;
    const { limits } = this.#held;
    const holder = holderOf(caller, peer);
    limits.holdAnswer(bytes, holder);
    const outgoing = this.#outgoing;
    // Of the answers that wait for their turn on a connection none is told when it closes, and there may be many.
    const connection = this.#incoming.socket.setMaxListeners(0);
    const release = () => {
      outgoing.off('close', release);
      connection.off('close', release);
      limits.releaseAnswer(bytes, holder);
    };
    outgoing.once('close', release);
    connection.once('close', release);
  }

  /** Read once: who could not hand a request on reads it again. */
  body(): Promise<Buffer> {
    this.#body ??= this.#read();
    return this.#body;
  }

  async #read(): Promise<Buffer> {
    const declared = Number(this.headers['content-length'] ?? 0);
    const { limits } = this.#held;
    if (declared > limits.maxBodyBytes) throw limits.tooLarge();
    const body = await allOf(
      this.#incoming,
      this.#held,
      () => new ServingError('SERVING_CANCELLED', 'The client closed the connection'),
    );
    this.bodyEndedMs = performance.now();
    const encoding = this.headers['content-encoding']?.toLowerCase() ?? 'identity';
    return encoding === 'identity' ? body : this.#unpacked(body, encoding);
  }

  async #unpacked(body: Buffer, encoding: string): Promise<Buffer> {
    const refused = (why: string) =>
      new ServingError('SERVING_BAD_REQUEST', `Content-Encoding is ${encoding}, ${why}`);
    const unpacker = unpackers.get(encoding)?.();
    if (unpacker === undefined) throw refused('this server unpacks gzip and deflate');
    const unpacked = allOf(unpacker, this.#held, (error) => refused(`the body is not: ${error.message}`));
    unpacker.end(body);
    return unpacked.finally(() => unpacker.destroy());
  }

  /** The request is answered: its body is no longer held. */
  finish(): void {
    this.#held.releaseAll();
    if (this.#holder !== undefined) this.#held.limits.releaseCall(this.#holder);
  }
}
