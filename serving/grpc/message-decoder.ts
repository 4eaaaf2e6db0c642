import type { HeldBytes } from '../body-limits.ts';

/** Flag (1 = packed) and length of a message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export const prefixBytes = 5;

/** What a message costs beside its bytes, which may be none. */
export const messageBytes = 512;

/** A message that does not come in one piece gets room for so much, and four times of what came whenever that is full. */
const firstBytes = 4 * 1024;

/**
 * The messages of one call, whole and with their prefixes, which is what grpc-js's own decoder gives. That one keeps the pieces as they
 * came, where each byte can be a piece, uncounted.
 */
export class MessageDecoder {
  readonly #held: HeldBytes;
  readonly #prefix = Buffer.alloc(prefixBytes);
  /** Bytes that are there of the message that is coming, its prefix among them. */
  #filled = 0;
  /** Bytes of the whole message with its prefix; 0 where the prefix is not there yet. */
  #size = 0;
  #message: Buffer | undefined;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  /** Whether a message has begun and has not ended. */
  get isAmidst(): boolean {
    return this.#filled > 0;
  }

  /** @throws ServingError SERVING_BODY_TOO_LARGE, SERVING_OVERLOADED */
  write(part: Buffer): Buffer[] {
    this.#held.hold(part.length);
    const messages: Buffer[] = [];
    for (let at = 0; at < part.length; ) {
      if (this.#size === 0) at = this.#readPrefix(part, at);
      if (this.#size === 0) break;
      const end = Math.min(part.length, at + this.#size - this.#filled);
      this.#append(part, at, end);
      at = end;
      if (this.#filled === this.#size) messages.push(this.#take());
    }
    return messages;
  }

  #readPrefix(part: Buffer, from: number): number {
    const end = Math.min(part.length, from + prefixBytes - this.#filled);
    part.copy(this.#prefix, this.#filled, from, end);
    this.#filled += end - from;
    if (this.#filled === prefixBytes) {
      const length = this.#prefix.readUInt32BE(1);
      const { limits } = this.#held;
      if (length > limits.maxBodyBytes) throw limits.tooLarge();
      this.#held.hold(messageBytes);
      this.#size = prefixBytes + length;
    }
    return end;
  }

  #append(part: Buffer, from: number, end: number): void {
    const filled = this.#filled + end - from;
    if (this.#message === undefined || this.#message.length < filled) this.#grow(filled);
    part.copy(this.#message as Buffer, this.#filled, from, end);
    this.#filled = filled;
  }

  /** Memory that is not written to yet is not taken: what a client only promises costs nothing. */
  #grow(filled: number): void {
    const before = this.#message ?? this.#prefix;
    const room = filled === this.#size ? filled : Math.min(this.#size, Math.max(firstBytes, 4 * filled));
    this.#message = Buffer.allocUnsafe(room);
    before.copy(this.#message, 0, 0, this.#filled);
  }

  #take(): Buffer {
    const message = this.#message as Buffer;
    this.#message = undefined;
    this.#filled = 0;
    this.#size = 0;
    return message;
  }
}
