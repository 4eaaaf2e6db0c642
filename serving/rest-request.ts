import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Cancellation } from './engine/runner.ts';
import { ServingError } from './errors.ts';
import type { RestRequest } from './protocols/protocol.ts';

/** Bytes of bodies that one worker holds at a time, in multiples of the largest body. */
const bodiesAtOnce = 4;

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

/** One request over HTTP. Nothing of it is worked out before it is asked for. */
export class IncomingRequest implements RestRequest, Cancellation {
  readonly path: string;
  #body: Promise<Buffer> | undefined;
  readonly #incoming: IncomingMessage;
  readonly #limits: BodyLimits;
  readonly #queryAt: number;
  #held = 0;
  /** When the body was there, on `performance.now()`'s clock; 0 before. */
  bodyEndedMs = 0;

  constructor(incoming: IncomingMessage, limits: BodyLimits) {
    const url = incoming.url as string;
    this.#incoming = incoming;
    this.#limits = limits;
    this.#queryAt = url.indexOf('?');
    this.path = this.#queryAt < 0 ? url : url.slice(0, this.#queryAt);
  }

  get method(): string {
    return this.#incoming.method as string;
  }

  get query(): URLSearchParams {
    return new URLSearchParams(
      this.#queryAt < 0 ? '' : (this.#incoming.url as string).slice(this.#queryAt + 1),
    );
  }

  get headers(): IncomingHttpHeaders {
    return this.#incoming.headers;
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
    return this.headers['content-encoding'] === 'gzip' ? this.#unzipped(body) : body;
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

  #unzipped(body: Buffer): Promise<Buffer> {
    const gunzip = createGunzip();
    const unpacked = this.#all(
      gunzip,
      (error) =>
        new ServingError(
          'SERVING_BAD_REQUEST',
          `Content-Encoding is gzip, the body is not: ${error.message}`,
        ),
    );
    gunzip.end(body);
    return unpacked.finally(() => gunzip.destroy());
  }

  /** The request is answered: its body is no longer held. */
  finish(): void {
    this.#limits.release(this.#held);
    this.#held = 0;
  }
}
