import { ServingError } from '../errors.ts';
import type { Phases } from '../tracing/phases.ts';
import type { Cancellation, Runner } from './runner.ts';
import type { Session } from './session.ts';
import { allocate, concatenateRows, sliceRows, type TensorData, type TensorValue } from './tensor.ts';

export interface BatchingSettings {
  readonly maxBatchSize: number;
  readonly batchTimeoutMs: number;
  readonly maxEnqueued: number;
  readonly allowedBatchSizes: readonly number[];
}

/** What a batch cost, for the metrics. */
export interface BatchReport {
  readonly rows: number;
  /** The longest that a request of it waited. */
  readonly queueSeconds: number;
  /** Putting it together and taking it apart. */
  readonly batchSeconds: number;
  readonly inferSeconds: number;
}

interface Waiting {
  readonly inputs: readonly TensorValue[];
  readonly rows: number;
  readonly key: string;
  readonly deadlineMs: number;
  readonly signal: Cancellation | undefined;
  readonly enqueuedMs: number;
  readonly phases: Phases | undefined;
  resolve(outputs: readonly TensorValue[]): void;
  reject(error: Error): void;
}

/** A batch larger than this gets room of its own. */
const keptBytes = 4 * 1024 * 1024;

/**
 * Dynamic batching without added delay: everything that has been parsed when the runtime is about to block the thread runs together.
 * A longer window is waited only where `batchTimeoutMs` says so. Requests that are past their deadline or whose client has gone are
 * not computed.
 */
export class Batcher implements Runner {
  readonly #session: Session;
  readonly #settings: BatchingSettings;
  readonly #rowsVary: boolean;
  readonly #onBatch: (report: BatchReport) => void;
  #queue: Waiting[] = [];
  #enqueuedRows = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  /** By input, where batches are put together: the runtime has done with one when the next begins. */
  readonly #rooms: Exclude<TensorData, unknown[]>[] = [];

  /** @param rowsVary whether the signature leaves more than the batch open, so that rows of two requests may not fit together */
  constructor(
    session: Session,
    settings: BatchingSettings,
    rowsVary: boolean,
    onBatch: (report: BatchReport) => void,
  ) {
    this.#session = session;
    this.#settings = {
      ...settings,
      allowedBatchSizes: [...settings.allowedBatchSizes].sort((a, b) => a - b),
    };
    this.#rowsVary = rowsVary;
    this.#onBatch = onBatch;
  }

  run(
    inputs: readonly TensorValue[],
    rows: number,
    deadlineMs: number,
    signal: Cancellation | undefined,
    phases?: Phases,
  ): Promise<readonly TensorValue[]> {
    if (this.#enqueuedRows + rows > this.#settings.maxEnqueued && this.#enqueuedRows > 0) {
      const error = new ServingError(
        'SERVING_OVERLOADED',
        `${this.#enqueuedRows} rows wait already, ${this.#settings.maxEnqueued} may`,
      );
      return Promise.reject(error);
    }
    const key = this.#rowsVary ? inputs.map(({ shape }) => shape.slice(1).join('x')).join(';') : '';
    return new Promise((resolve, reject) => {
      const enqueuedMs = performance.now();
      this.#queue.push({ inputs, rows, key, deadlineMs, signal, enqueuedMs, phases, resolve, reject });
      this.#enqueuedRows += rows;
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    const { batchTimeoutMs, maxBatchSize } = this.#settings;
    if (batchTimeoutMs > 0 && this.#enqueuedRows < maxBatchSize) {
      this.#timer ??= setTimeout(() => this.#runSoon(), batchTimeoutMs);
      return;
    }
    this.#runSoon();
  }

  #runSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#scheduled = true;
    setImmediate(() => void this.#runNext());
  }

  /** One batch, then the event loop: what it parses before the runtime begins belongs to it, what it parses later to the next one. */
  async #runNext(): Promise<void> {
    await this.#run(() => this.#take());
    this.#scheduled = false;
    if (this.#queue.length > 0) this.#schedule();
  }

  /** First come, first served: the first that is still wanted, and all that can share its run. Answers none where none is. */
  #take(): Waiting[] {
    const batch: Waiting[] = [];
    const others: Waiting[] = [];
    let rows = 0;
    const nowMs = performance.now();
    for (const waiting of this.#queue) {
      if (!this.#isWanted(waiting, nowMs)) continue;
      const [first] = batch;
      if (
        first !== undefined &&
        (waiting.key !== first.key || rows + waiting.rows > this.#settings.maxBatchSize)
      ) {
        others.push(waiting);
      } else {
        batch.push(waiting);
        rows += waiting.rows;
      }
    }
    this.#queue = others;
    return batch;
  }

  #isWanted(waiting: Waiting, nowMs: number): boolean {
    const cancelled = waiting.signal?.aborted === true;
    if (!cancelled && nowMs < waiting.deadlineMs) return true;
    this.#enqueuedRows -= waiting.rows;
    waiting.reject(
      cancelled
        ? new ServingError('SERVING_CANCELLED', 'The client closed the connection')
        : new ServingError('SERVING_DEADLINE', 'The request waited past its deadline and was not computed'),
    );
    return false;
  }

  /** Runs what `take` gives when the runtime is about to begin; it may be nothing. */
  async #run(take: () => readonly Waiting[]): Promise<void> {
    let batch: readonly Waiting[] = [];
    let [rows, size, takenMs, startedMs] = [0, 0, 0, 0];
    try {
      const outputs = await this.#session.run(() => {
        takenMs = performance.now();
        batch = take();
        if (batch.length === 0) return undefined;
        for (const waiting of batch) rows += waiting.rows;
        size = this.#sizeOf(rows);
        const inputs = this.#inputsOf(batch, rows, size);
        startedMs = performance.now();
        return inputs;
      });
      if (outputs === undefined) return;
      const endedMs = performance.now();
      for (const { phases, enqueuedMs } of batch) {
        if (phases === undefined) continue;
        Object.assign(phases, {
          enqueuedMs,
          takenMs,
          inferStartedMs: startedMs,
          inferEndedMs: endedMs,
          batchRows: rows,
        });
      }
      this.#deliver(batch, size, outputs);
      this.#onBatch({
        rows,
        queueSeconds: (takenMs - (batch[0] as Waiting).enqueuedMs) / 1000,
        batchSeconds: (startedMs - takenMs + performance.now() - endedMs) / 1000,
        inferSeconds: (endedMs - startedMs) / 1000,
      });
    } catch (error) {
      // One request's fault must not be another's: alone, each gets its own answer.
      if (batch.length > 1) for (const waiting of batch) await this.#run(() => [waiting]);
      else {
        this.#enqueuedRows -= rows;
        (batch[0] as Waiting).reject(error as Error);
      }
    }
  }

  /** Rows that are computed for so many asked for. */
  #sizeOf(rows: number): number {
    const { allowedBatchSizes } = this.#settings;
    if (allowedBatchSizes.length === 0) return rows;
    return allowedBatchSizes.find((allowed) => allowed >= rows) ?? rows;
  }

  #inputsOf(batch: readonly Waiting[], rows: number, size: number): readonly TensorValue[] {
    const first = batch[0] as Waiting;
    if (batch.length === 1 && size === rows) return first.inputs;
    return first.inputs.map((input, index) => {
      const parts = batch.map((waiting) => waiting.inputs[index] as TensorValue);
      // Padding repeats a row: any valid row does, and its results are not read.
      if (size > rows) parts.push(...new Array<TensorValue>(size - rows).fill(sliceRows(input, 0, 1)));
      return concatenateRows(parts, (dtype, count) => this.#roomFor(index, dtype, count));
    });
  }

  #roomFor(index: number, dtype: TensorValue['dtype'], count: number): TensorData {
    const kept = this.#rooms[index];
    if (kept !== undefined && kept.length >= count) return kept.subarray(0, count);
    const room = allocate(dtype, count);
    if (!Array.isArray(room) && room.byteLength <= keptBytes) this.#rooms[index] = room;
    return room;
  }

  /** @throws ServingError SERVING_INFERENCE_FAILED where the model does not give a row for each row of several requests */
  #deliver(batch: readonly Waiting[], computedRows: number, outputs: readonly TensorValue[]): void {
    const [only] = batch as [Waiting];
    if (batch.length === 1 && computedRows === only.rows) {
      this.#enqueuedRows -= only.rows;
      only.resolve(outputs);
      return;
    }
    const unlike = outputs.find(({ shape }) => shape[0] !== computedRows);
    if (unlike !== undefined) {
      throw new ServingError(
        'SERVING_INFERENCE_FAILED',
        `Output '${unlike.name}' has the shape [${unlike.shape}] for ${computedRows} rows: its rows cannot be told apart`,
      );
    }
    let from = 0;
    for (const waiting of batch) {
      const to = from + waiting.rows;
      this.#enqueuedRows -= waiting.rows;
      waiting.resolve(outputs.map((output) => sliceRows(output, from, to)));
      from = to;
    }
  }
}
