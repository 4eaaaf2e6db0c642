import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { ServingError } from './errors.ts';
import { Room } from './room.ts';

/** Bytes of requests that one worker holds at a time, in multiples of the largest body. */
const bodiesAtOnce = 4;

/** Who holds no more than this is let in where larger requests fill that room: there is that of one more body for such. */
export const smallBytes = 64 * 1024;

/** Bytes of answers over gRPC that one worker keeps for clients that do not read them, or more where more than that may come in. */
const answerBytes = 256 * 1024 * 1024;

/** Calls over gRPC that one worker has open, and requests that node:http reads: each is 13 KiB without its headers and messages. */
const mostCalls = 8192;

/** What unpacks a body, by its Content-Encoding or grpc-encoding. */
export const unpackers = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
]);

/** What all requests of a worker share, and each caller has a part of: how large a body may be, how many bytes of them wait in memory. */
export class BodyLimits {
  readonly maxBodyBytes: number;
  readonly #requests = new Room();
  readonly #answers = new Room();
  readonly #calls = new Room();

  constructor(maxBodyBytes: number) {
    this.maxBodyBytes = maxBodyBytes;
  }

  /**
   * @param before bytes that the same request holds already
   * @param holder the caller's; undefined = it is not known yet
   * @throws ServingError SERVING_OVERLOADED where other requests, or this caller's, fill the memory that there is for them
   */
  hold(bytes: number, before: number, holder: string | undefined): void {
    const room = this.maxBodyBytes * (before + bytes <= smallBytes ? bodiesAtOnce + 1 : bodiesAtOnce);
    if (!this.#requests.take(bytes, room, holder))
      throw full(this.#requests, holder, 'bytes', 'wait already');
  }

  release(bytes: number, holder: string | undefined): void {
    this.#requests.release(bytes, holder);
  }

  /** @throws ServingError SERVING_OVERLOADED where answers that nobody reads fill the memory that there is for them */
  holdAnswer(bytes: number, holder: string | undefined): void {
    const room = Math.max(answerBytes, this.maxBodyBytes * bodiesAtOnce);
    if (!this.#answers.take(bytes, room, holder)) {
      throw full(this.#answers, holder, 'bytes of answers', 'are not read yet');
    }
  }

  releaseAnswer(bytes: number, holder: string | undefined): void {
    this.#answers.release(bytes, holder);
  }

  /** @throws ServingError SERVING_OVERLOADED where there are too many, however small */
  holdCall(holder: string): void {
    if (!this.#calls.take(1, mostCalls, holder)) throw full(this.#calls, holder, 'calls', 'are open');
  }

  releaseCall(holder: string): void {
    this.#calls.release(1, holder);
  }

  tooLarge(): ServingError {
    return new ServingError('SERVING_BODY_TOO_LARGE', `The body is larger than ${this.maxBodyBytes} bytes`);
  }
}

function full(room: Room, holder: string | undefined, what: string, how: string): ServingError {
  const own = room.heldBy(holder);
  const others = room.held - own;
  return new ServingError(
    'SERVING_OVERLOADED',
    `${others} ${what} of other callers and ${own} of the same one ${how}`,
  );
}

/** What one request, or one call, holds of that. */
export class HeldBytes {
  readonly limits: BodyLimits;
  #bytes = 0;
  #holder: string | undefined;

  constructor(limits: BodyLimits) {
    this.limits = limits;
  }

  /** It is known whose it is. @throws ServingError SERVING_OVERLOADED, with nothing held any more */
  claim(holder: string): void {
    const bytes = this.#bytes;
    this.releaseAll();
    this.#holder = holder;
    if (bytes > 0) this.hold(bytes);
  }

  /** @throws ServingError SERVING_OVERLOADED */
  hold(bytes: number): void {
    this.limits.hold(bytes, this.#bytes, this.#holder);
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.limits.release(bytes, this.#holder);
    this.#bytes -= bytes;
  }

  releaseAll(): void {
    this.release(this.#bytes);
  }
}

/** Smaller parts are put together: each costs as much as so many bytes, and keeps the memory that it came in. */
const smallPartBytes = 1024;
const mostSmallParts = 1024;

/** Bytes that come in parts. */
class Parts {
  readonly #whole: Buffer[] = [];
  #small: Buffer[] = [];

  push(part: Buffer): void {
    if (part.length < smallPartBytes) {
      this.#small.push(Buffer.from(part));
      if (this.#small.length === mostSmallParts) this.#join();
    } else {
      this.#join();
      this.#whole.push(part);
    }
  }

  #join(): void {
    if (this.#small.length > 0) this.#whole.push(Buffer.concat(this.#small));
    this.#small = [];
  }

  all(size: number): Buffer {
    this.#join();
    return this.#whole.length === 1 ? (this.#whole[0] as Buffer) : Buffer.concat(this.#whole, size);
  }
}

/**
 * All that a stream holds, which counts while it comes: a few bytes unpack to many.
 * @throws ServingError SERVING_BODY_TOO_LARGE, SERVING_OVERLOADED, and what `faultOf` makes of the stream's own
 */
export function allOf(
  stream: Readable,
  held: HeldBytes,
  faultOf: (error: Error) => ServingError,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts = new Parts();
    let size = 0;
    stream.on('data', (part: Buffer) => {
      size += part.length;
      try {
        if (size > held.limits.maxBodyBytes) throw held.limits.tooLarge();
        held.hold(part.length);
      } catch (error) {
        stream.removeAllListeners('data');
        stream.pause();
        reject(error as Error);
        return;
      }
      parts.push(part);
    });
    stream.on('end', () => resolve(parts.all(size)));
    stream.on('error', (error) => reject(faultOf(error)));
  });
}
