import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Cancellation } from './engine/runner.ts';
import { ServingError } from './errors.ts';
import type { RestRequest } from './protocols/protocol.ts';

const unzip = promisify(gunzip);

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

  async body(): Promise<Buffer> {
    const declared = Number(this.headers['content-length'] ?? 0);
    if (declared > this.#limits.maxBodyBytes) throw this.#limits.tooLarge();
    const body = await this.#read();
    this.bodyEndedMs = performance.now();
    return this.headers['content-encoding'] === 'gzip' ? this.#unzipped(body) : body;
  }

  #read(): Promise<Buffer> {
    const incoming = this.#incoming;
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let size = 0;
      incoming.on('data', (part: Buffer) => {
        size += part.length;
        try {
          if (size > this.#limits.maxBodyBytes) throw this.#limits.tooLarge();
          this.#limits.hold(part.length);
          this.#held += part.length;
        } catch (error) {
          incoming.removeAllListeners('data');
          incoming.pause();
          reject(error as Error);
          return;
        }
        parts.push(part);
      });
      incoming.on('end', () =>
        resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size)),
      );
      incoming.on('error', () =>
        reject(new ServingError('SERVING_CANCELLED', 'The client closed the connection')),
      );
    });
  }

  async #unzipped(body: Buffer): Promise<Buffer> {
    try {
      return await unzip(body, { maxOutputLength: this.#limits.maxBodyBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw this.#limits.tooLarge();
      throw new ServingError(
        'SERVING_BAD_REQUEST',
        `Content-Encoding is gzip, the body is not: ${(error as Error).message}`,
      );
    }
  }

  /** The request is answered: its body is no longer held. */
  finish(): void {
    this.#limits.release(this.#held);
    this.#held = 0;
  }
}
