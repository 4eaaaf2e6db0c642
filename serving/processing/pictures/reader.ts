import { Worker } from 'node:worker_threads';
import type { Cancellation } from '../../engine/runner.ts';
import { ServingError } from '../../errors.ts';
import { ProcessingFault } from '../fault.ts';
import type { Numbers } from '../normalise.ts';
import type { PictureTarget } from './picture-input.ts';
import type { PictureJob, PictureResult } from './thread.ts';

interface Waiting {
  readonly picture: Uint8Array;
  readonly target: PictureTarget;
  readonly deadlineMs: number;
  readonly signal: Cancellation | undefined;
  resolve(row: Numbers['data']): void;
  reject(error: Error): void;
}

/** Bytes of pictures that may wait for one thread. */
const maxWaitingBytes = 256 * 1024 * 1024;

/**
 * Decodes pictures on a thread of its own, in turn, so that a large one holds up other pictures at most, never requests without
 * one. A picture that is not done by its request's deadline is given up with the thread, which is replaced.
 */
export class PictureReader {
  #thread: Worker | undefined;
  readonly #queue: Waiting[] = [];
  #waitingBytes = 0;
  #active: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Starts the thread, so that the first picture does not wait for it. */
  start(): void {
    this.#thread ??= this.#open();
  }

  /** @throws ProcessingFault, ServingError SERVING_DEADLINE, SERVING_CANCELLED, SERVING_OVERLOADED */
  row(
    picture: Uint8Array,
    target: PictureTarget,
    deadlineMs: number,
    signal: Cancellation | undefined,
  ): Promise<Numbers['data']> {
    if (this.#waitingBytes > 0 && this.#waitingBytes + picture.length > maxWaitingBytes) {
      const error = new ServingError('SERVING_OVERLOADED', `${this.#queue.length} pictures wait already`);
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ picture, target, deadlineMs, signal, resolve, reject });
      this.#waitingBytes += picture.length;
      this.#next();
    });
  }

  #open(): Worker {
    const thread = new Worker(new URL('./thread.mjs', import.meta.url));
    thread.on('message', (result: PictureResult) => {
      if ('row' in result) this.#settle((active) => active.resolve(result.row));
      else this.#settle((active) => active.reject(new ProcessingFault(result.fault)));
    });
    thread.on('error', () => this.#lose(thread));
    thread.on('exit', () => this.#lose(thread));
    // Last: a listener holds the process back again.
    thread.unref();
    return thread;
  }

  /** It ran out of memory, or was ended below. */
  #lose(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#settle((active) => active.reject(new ProcessingFault('it cannot be decoded')));
  }

  #settle(how: (active: Waiting) => void): void {
    clearTimeout(this.#timer);
    const active = this.#active;
    this.#active = undefined;
    if (active !== undefined) how(active);
    this.#next();
  }

  #next(): void {
    if (this.#active !== undefined) return;
    // One by one and not each by the one before: of those that are too late there may be thousands.
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#waitingBytes -= next.picture.length;
      const leftMs = next.deadlineMs - performance.now();
      if (next.signal?.aborted === true)
        next.reject(new ServingError('SERVING_CANCELLED', 'The client closed the connection'));
      else if (leftMs <= 0) next.reject(late());
      else {
        this.#begin(next, leftMs);
        return;
      }
    }
  }

  #begin(next: Waiting, leftMs: number): void {
    this.#active = next;
    this.#timer = setTimeout(
      () => {
        const thread = this.#thread;
        this.#thread = undefined;
        void thread?.terminate();
        this.#settle(({ reject }) => reject(late()));
      },
      Math.min(leftMs, 2 ** 31 - 1),
    );
    this.start();
    // A copy: with a view, the rest of the body would go along.
    const picture = new Uint8Array(next.picture);
    const job: PictureJob = { picture, target: next.target };
    this.#thread?.postMessage(job, [picture.buffer]);
  }
}

const late = () => new ServingError('SERVING_DEADLINE', 'The picture was not decoded within the deadline');
