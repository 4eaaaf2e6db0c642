import { ServingError } from '../errors.ts';
import type { Session } from './session.ts';
import { concatenateRows, sliceRows, type TensorValue } from './tensor.ts';

export interface BatchingSettings {
  readonly maxBatchSize: number;
  readonly batchTimeoutMs: number;
  readonly maxEnqueued: number;
  readonly allowedBatchSizes: readonly number[];
}

/** What a batch cost, for the metrics. */
export interface BatchReport {
  readonly rows: number;
  readonly queueSeconds: number;
  readonly inferSeconds: number;
}

interface Waiting {
  readonly inputs: readonly TensorValue[];
  readonly rows: number;
  readonly key: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly enqueuedMs: number;
  resolve(outputs: readonly TensorValue[]): void;
  reject(error: Error): void;
}

/** Requests can share a run only if they agree on everything but the number of rows. */
const keyOf = (inputs: readonly TensorValue[]) => inputs.map((t) => t.shape.slice(1).join('x')).join(';');

/**
 * Dynamic batching without added delay: everything that has been parsed by the next tick of the event loop runs together, since the
 * runtime blocks the thread anyway. A longer window is waited only where `batchTimeoutMs` says so. Requests that are past their
 * deadline or whose client has gone are not computed.
 */
export class Batcher {
  readonly #session: Session;
  readonly #settings: BatchingSettings;
  readonly #onBatch: (report: BatchReport) => void;
  #queue: Waiting[] = [];
  #enqueuedRows = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #running: Promise<void> = Promise.resolve();

  constructor(session: Session, settings: BatchingSettings, onBatch: (report: BatchReport) => void) {
    this.#session = session;
    this.#settings = settings;
    this.#onBatch = onBatch;
  }

  get enqueuedRows(): number {
    return this.#enqueuedRows;
  }

  /**
   * Inputs in signature order, batch first; every input has the same number of rows.
   * @throws ServingError SERVING_OVERLOADED, SERVING_DEADLINE, SERVING_CANCELLED, SERVING_INFERENCE_FAILED
   */
  run(
    inputs: readonly TensorValue[],
    rows: number,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TensorValue[]> {
    if (this.#enqueuedRows + rows > this.#settings.maxEnqueued && this.#enqueuedRows > 0) {
      const error = new ServingError(
        'SERVING_OVERLOADED',
        `${this.#enqueuedRows} rows wait already, ${this.#settings.maxEnqueued} may`,
      );
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      const enqueuedMs = performance.now();
      this.#queue.push({ inputs, rows, key: keyOf(inputs), deadlineMs, signal, enqueuedMs, resolve, reject });
      this.#enqueuedRows += rows;
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    const { batchTimeoutMs, maxBatchSize } = this.#settings;
    if (batchTimeoutMs > 0 && this.#enqueuedRows < maxBatchSize) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#drainSoon();
      }, batchTimeoutMs);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drainSoon();
  }

  #drainSoon(): void {
    this.#scheduled = true;
    setImmediate(() => {
      this.#running = this.#running.then(() => this.#drain());
    });
  }

  async #drain(): Promise<void> {
    // Cleared first: what arrives while a batch runs schedules the next drain.
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    for (const batch of this.#batches(queue.filter((waiting) => this.#isWanted(waiting))))
      await this.#runBatch(batch);
  }

  #isWanted(waiting: Waiting): boolean {
    const cancelled = waiting.signal?.aborted === true;
    if (!cancelled && performance.now() < waiting.deadlineMs) return true;
    this.#enqueuedRows -= waiting.rows;
    waiting.reject(
      cancelled
        ? new ServingError('SERVING_CANCELLED', 'The client closed the connection')
        : new ServingError('SERVING_DEADLINE', 'The request waited past its deadline and was not computed'),
    );
    return false;
  }

  /** First come, first served, cut where the next one does not fit. */
  #batches(queue: readonly Waiting[]): Waiting[][] {
    const batches: Waiting[][] = [];
    const open = new Map<string, { batch: Waiting[]; rows: number }>();
    for (const waiting of queue) {
      const current = open.get(waiting.key);
      if (current !== undefined && current.rows + waiting.rows <= this.#settings.maxBatchSize) {
        current.batch.push(waiting);
        current.rows += waiting.rows;
      } else {
        const batch = [waiting];
        batches.push(batch);
        open.set(waiting.key, { batch, rows: waiting.rows });
      }
    }
    return batches;
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    const rows = batch.reduce((sum, waiting) => sum + waiting.rows, 0);
    const startedMs = performance.now();
    try {
      const outputs = await this.#session.run(this.#inputsOf(batch, rows));
      this.#report(batch, rows, startedMs);
      this.#deliver(batch, outputs);
    } catch (error) {
      // One request's fault must not be another's: alone, each gets its own answer.
      if (batch.length > 1) for (const waiting of batch) await this.#runBatch([waiting]);
      else this.#settle(batch[0] as Waiting, () => (batch[0] as Waiting).reject(error as Error));
    }
  }

  #inputsOf(batch: readonly Waiting[], rows: number): readonly TensorValue[] {
    const size = this.#settings.allowedBatchSizes.find((allowed) => allowed >= rows) ?? rows;
    const first = batch[0] as Waiting;
    if (batch.length === 1 && size === rows) return first.inputs;
    // Padding repeats the first row: any valid row does, and its results are not read.
    const padding = Array.from({ length: size - rows }, () =>
      first.inputs.map((input) => sliceRows(input, 0, 1)),
    );
    return first.inputs.map((_, i) =>
      concatenateRows([
        ...batch.map((waiting) => waiting.inputs[i]!),
        ...padding.map((inputs) => inputs[i]!),
      ]),
    );
  }

  #deliver(batch: readonly Waiting[], outputs: readonly TensorValue[]): void {
    if (batch.length === 1 && outputs.every((output) => output.shape[0] === batch[0]?.rows)) {
      this.#settle(batch[0] as Waiting, () => (batch[0] as Waiting).resolve(outputs));
      return;
    }
    let from = 0;
    for (const waiting of batch) {
      const start = from;
      from += waiting.rows;
      this.#settle(waiting, () =>
        waiting.resolve(outputs.map((output) => sliceRows(output, start, start + waiting.rows))),
      );
    }
  }

  #settle(waiting: Waiting, answer: () => void): void {
    this.#enqueuedRows -= waiting.rows;
    answer();
  }

  #report(batch: readonly Waiting[], rows: number, startedMs: number): void {
    const now = performance.now();
    const oldest = batch.reduce((earliest, waiting) => Math.min(earliest, waiting.enqueuedMs), startedMs);
    this.#onBatch({
      rows,
      queueSeconds: (startedMs - oldest) / 1000,
      inferSeconds: (now - startedMs) / 1000,
    });
  }

  /** Resolves when everything that was taken has been answered. */
  async idle(): Promise<void> {
    while (this.#enqueuedRows > 0) await new Promise((resolve) => setImmediate(resolve));
    await this.#running;
  }
}
