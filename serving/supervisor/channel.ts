import { ServingError, type ServingErrorCode } from '../errors.ts';

/** Calls by name: what each takes and gives. */
type CallTable = Readonly<Record<string, (args: never) => unknown>>;
type ArgsOf<T extends CallTable, K extends keyof T> = Parameters<T[K]>[0];
type AnswerOf<T extends CallTable, K extends keyof T> = Awaited<ReturnType<T[K]>>;

/** How one side answers the other's calls. */
export type CallHandlers<T extends CallTable> = {
  readonly [K in keyof T]: (args: ArgsOf<T, K>) => Promise<AnswerOf<T, K>> | AnswerOf<T, K>;
};

interface Refusal {
  readonly code: ServingErrorCode;
  readonly message: string;
  readonly retryAfterSeconds: number;
}

/** How calls travel between the supervisor and a worker. */
export type CallMessage =
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly args: unknown }
  | { readonly type: 'result'; readonly id: number; readonly value?: unknown; readonly refusal?: Refusal };

/** Questions and answers over messages, in both directions. A ServingError arrives as the same ServingError. */
export class Channel<Theirs extends CallTable, Mine extends CallTable> {
  readonly #send: (message: CallMessage) => void;
  readonly #handlers: CallHandlers<Mine>;
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #next = 1;
  #closed = false;

  constructor(send: (message: CallMessage) => void, handlers: CallHandlers<Mine>) {
    this.#send = send;
    this.#handlers = handlers;
  }

  /** @throws ServingError as the other side threw it, or SERVING_NOT_READY where it is gone */
  call<K extends keyof Theirs & string>(name: K, args: ArgsOf<Theirs, K>): Promise<AnswerOf<Theirs, K>> {
    if (this.#closed) return Promise.reject(gone());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ type: 'call', id, name, args });
    });
  }

  receive(message: CallMessage): void {
    if (message.type === 'call') {
      void this.#answer(message);
      return;
    }
    const { id, value, refusal } = message;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (refusal === undefined) waiting?.resolve(value as never);
    else {
      const error = new ServingError(refusal.code, refusal.message);
      error.retryAfterSeconds = refusal.retryAfterSeconds;
      waiting?.reject(error);
    }
  }

  async #answer({ id, name, args }: Extract<CallMessage, { type: 'call' }>): Promise<void> {
    try {
      const handler = this.#handlers[name] as (args: unknown) => unknown;
      this.#send({ type: 'result', id, value: await handler(args) });
    } catch (error) {
      const known = error instanceof ServingError;
      const refusal: Refusal = {
        code: known ? error.code : 'SERVING_INFERENCE_FAILED',
        message: (error as Error).message,
        retryAfterSeconds: known ? error.retryAfterSeconds : 1,
      };
      this.#send({ type: 'result', id, refusal });
    }
  }

  /** The other side is gone: what waits for it fails. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

const gone = () => new ServingError('SERVING_NOT_READY', 'The other process is gone');
