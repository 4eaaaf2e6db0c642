import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { allOf, type BodyLimits, HeldBytes, unpackers } from '../body-limits.ts';
import { ServingError } from '../errors.ts';
import { MessageDecoder, messageBytes, prefixBytes } from './message-decoder.ts';

/** How long a message may take to arrive, and its answer to be read. */
const patienceMs = 120_000;

/** Messages of one stream that are on their way to their answers, or these to the client; their bytes are those of one body. */
const mostUnanswered = 256;

/**
 * What grpc-js's calls have and do not declare: there is no other way to what arrives for a call before it is a whole message. The
 * release is pinned, and every call over gRPC fails where it is not so.
 */
interface Inside extends ServerInterceptingCallInterface {
  readonly stream: ServerHttp2Stream;
  decoder: { write(part: Buffer): Buffer[] };
  incomingEncoding: string;
}

/** The memory of one call: what came and is not answered, and the answers that are not read. */
export class CallFlow {
  readonly #call: Inside;
  readonly #isStream: boolean;
  readonly #held: HeldBytes;
  readonly #decoder: MessageDecoder;
  readonly #encoding: string;
  readonly #onRefused: (error: unknown) => void;
  readonly #limits: BodyLimits;
  /** Whose call it is; undefined before that is known. */
  #holder: string | undefined;
  /** Of the messages that came, whether each is packed; empty where the call says that none is. */
  readonly #packed: boolean[] = [];
  #unanswered = 0;
  #unansweredBytes = 0;
  /** Answers that are not with the client. */
  #departing = 0;
  #answerBytes = 0;
  /** Lets the message in that waits for others to be answered. */
  #admitNext: (() => void) | undefined;
  #arrivingSinceMs: number | undefined;
  #departingSinceMs: number | undefined;
  #isRefused = false;
  #isGone = false;

  /**
   * @param isStream whether it has many messages, each of which is answered by itself
   * @param onRefused what ends a call before its message is there; the call has to be told by it
   */
  constructor(
    call: ServerInterceptingCallInterface,
    isStream: boolean,
    limits: BodyLimits,
    onRefused: (error: unknown) => void,
    onGone: (flow: CallFlow) => void,
  ) {
    this.#call = call as Inside;
    this.#isStream = isStream;
    this.#limits = limits;
    this.#held = new HeldBytes(limits);
    this.#decoder = new MessageDecoder(this.#held);
    this.#onRefused = onRefused;
    this.#encoding = this.#call.incomingEncoding;
    // Unpacked here, where it counts.
    this.#call.incomingEncoding = 'identity';
    this.#call.decoder = { write: (part) => this.#arrive(part) };
    this.#call.stream.once('close', () => {
      this.#isGone = true;
      this.#admitNext = undefined;
      this.#held.releaseAll();
      if (this.#holder !== undefined) {
        limits.releaseAnswer(this.#answerBytes, this.#holder);
        limits.releaseCall(this.#holder);
      }
      onGone(this);
    });
    if (!isStream) this.#arrivingSinceMs = performance.now();
  }

  /** It is known whose call it is; before, nothing of it is read. @throws ServingError SERVING_OVERLOADED */
  claim(holder: string): void {
    if (this.#isGone) return;
    this.#limits.holdCall(holder);
    this.#holder = holder;
    this.#held.claim(holder);
  }

  #arrive(part: Buffer): Buffer[] {
    try {
      const messages = this.#decoder.write(part);
      if (this.#encoding !== 'identity') {
        for (const message of messages) this.#packed.push(message[0] === 1);
      }
      if (this.#isStream && messages.length > 0) this.#arrivingSinceMs = undefined;
      if (this.#decoder.isAmidst) this.#arrivingSinceMs ??= performance.now();
      return messages;
    } catch (error) {
      this.#refuse(error);
      return [];
    }
  }

  #refuse(error: unknown): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#onRefused(error);
    // What is left of the message is not read.
    setImmediate(() => this.#call.stream.close(constants.NGHTTP2_NO_ERROR));
  }

  /** Hands a message on: unpacked, and where it is one of many when there is room for its answer. */
  take(message: Buffer, admit: (message: Buffer) => void): void {
    const isPacked = this.#packed.shift() === true;
    if (!isPacked) this.#admit(message, admit);
    else {
      this.#unpacked(message).then(
        (unpacked) => this.#admit(unpacked, admit),
        (error) => this.#refuse(error),
      );
    }
  }

  #admit(message: Buffer, admit: (message: Buffer) => void): void {
    const bytes = this.#unansweredBytes + message.length;
    const isFull = this.#unanswered >= mostUnanswered || bytes > this.#limits.maxBodyBytes;
    if (this.#isStream && this.#unanswered > 0 && isFull) {
      this.#admitNext = () => this.#admit(message, admit);
      return;
    }
    this.#unanswered += 1;
    this.#unansweredBytes = bytes;
    admit(message);
  }

  async #unpacked(message: Buffer): Promise<Buffer> {
    const unpacker = unpackers.get(this.#encoding)?.();
    if (unpacker === undefined) {
      throw new ServingError(
        'SERVING_UNIMPLEMENTED',
        `grpc-encoding is ${this.#encoding}, this server unpacks gzip and deflate`,
      );
    }
    const unpacked = allOf(
      unpacker,
      this.#held,
      (error) =>
        new ServingError('SERVING_BAD_REQUEST', `The message is not ${this.#encoding}: ${error.message}`),
    );
    unpacker.end(message);
    try {
      return await unpacked;
    } finally {
      unpacker.destroy();
      this.#held.release(message.length);
    }
  }

  /** Everything is there. */
  ended(): void {
    this.#arrivingSinceMs = undefined;
  }

  /**
   * An answer is on its way to the client; a refusal has 0 bytes.
   * @throws ServingError SERVING_OVERLOADED where there is no room for it
   */
  answer(bytes: number): void {
    if (this.#isGone) return;
    if (bytes > 0) this.#limits.holdAnswer(bytes, this.#holder);
    this.#answerBytes += bytes;
    this.#departing += 1;
    this.#departingSinceMs ??= performance.now();
  }

  /** The answer to a message of a stream is with the client. */
  answered(message: Buffer, bytes: number): void {
    // The end of the call has released everything.
    if (this.#isGone) return;
    this.#limits.releaseAnswer(bytes, this.#holder);
    this.#answerBytes -= bytes;
    this.#held.release(message.length + prefixBytes + messageBytes);
    this.#unanswered -= 1;
    this.#unansweredBytes -= message.length;
    this.#departing -= 1;
    this.#departingSinceMs = this.#departing > 0 ? performance.now() : undefined;
    const admitNext = this.#admitNext;
    this.#admitNext = undefined;
    admitNext?.();
  }

  /** Ends a call that stands still, on `performance.now()`'s clock. */
  look(nowMs: number): void {
    const untilMs = nowMs - patienceMs;
    if ((this.#arrivingSinceMs ?? nowMs) < untilMs) {
      this.#refuse(
        new ServingError('SERVING_DEADLINE', `The message did not arrive within ${patienceMs / 1000} s`),
      );
    } else if ((this.#departingSinceMs ?? nowMs) < untilMs) {
      this.#call.stream.close(constants.NGHTTP2_CANCEL);
    }
  }
}
