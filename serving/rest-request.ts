import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import type { Cancellation } from './engine/runner.ts';
import { ServingError } from './errors.ts';
import type { RestRequest } from './protocols/protocol.ts';

/** Bytes of bodies that one worker holds at a time, in multiples of the largest body. */
const bodiesAtOnce = 4;

/** What unpacks a body, by its Content-Encoding. */
const unpackers = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
]);

/** What all requests of a server share: how large a body may be, and how many bytes of them wait in memory. */
export class BodyLimits {
  readonly maxBodyBytes: number;
  #held = 0;

  constructor(maxBodyBytes: number) {
    this.maxBodyBytes = maxBodyBytes;
  }

  /** @throws ServingError SERVING_OVERLOADED where the bodies of other requests fill the memory that there is for them */
  hold(bytes: number): void {
    if (this.#held > 0 && this.#held + bytes > this.maxBodyBytes * bodiesAtOnce) {
      throw new ServingError('SERVING_OVERLOADED', `${this.#held} bytes of other requests wait already`);
    }
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  tooLarge(): ServingError {
    return new ServingError('SERVING_BODY_TOO_LARGE', `The body is larger than ${this.maxBodyBytes} bytes`);
  }
}

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
  readonly #limits: BodyLimits;
  readonly #query: string;
  #held = 0;
  /** When the body was there, on `performance.now()`'s clock; 0 before. */
  bodyEndedMs = 0;

  constructor(incoming: IncomingMessage, limits: BodyLimits) {
    this.#incoming = incoming;
    this.#limits = limits;
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

  /** Read once: who could not hand a request on reads it again. */
  body(): Promise<Buffer> {
    this.#body ??= this.#read();
    return this.#body;
  }

  async #read(): Promise<Buffer> {
    const declared = Number(this.headers['content-length'] ?? 0);
    if (declared > this.#limits.maxBodyBytes) throw this.#limits.tooLarge();
    const body = await this.#all(
      this.#incoming,
      () => new ServingError('SERVING_CANCELLED', 'The client closed the connection'),
    );
    this.bodyEndedMs = performance.now();
    const encoding = this.headers['content-encoding']?.toLowerCase() ?? 'identity';
    return encoding === 'identity' ? body : this.#unpacked(body, encoding);
  }

  /** All that a stream holds, which counts against the limits while it comes: a few bytes unpack to many. */
  #all(stream: Readable, faultOf: (error: Error) => ServingError): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let size = 0;
      stream.on('data', (part: Buffer) => {
        size += part.length;
        try {
          if (size > this.#limits.maxBodyBytes) throw this.#limits.tooLarge();
          this.#limits.hold(part.length);
          this.#held += part.length;
        } catch (error) {
          stream.removeAllListeners('data');
          stream.pause();
          reject(error as Error);
          return;
        }
        parts.push(part);
      });
      stream.on('end', () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size)));
      stream.on('error', (error) => reject(faultOf(error)));
    });
  }

  async #unpacked(body: Buffer, encoding: string): Promise<Buffer> {
    const refused = (why: string) =>
      new ServingError('SERVING_BAD_REQUEST', `Content-Encoding is ${encoding}, ${why}`);
    const unpacker = unpackers.get(encoding)?.();
    if (unpacker === undefined) throw refused('this server unpacks gzip and deflate');
    const unpacked = this.#all(unpacker, (error) => refused(`the body is not: ${error.message}`));
    unpacker.end(body);
    return unpacked.finally(() => unpacker.destroy());
  }

  /** The request is answered: its body is no longer held. */
  finish(): void {
    this.#limits.release(this.#held);
    this.#held = 0;
  }
}
