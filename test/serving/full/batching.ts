import { Batcher } from '../../../serving/engine/batcher.ts';
import type { Session } from '../../../serving/engine/session.ts';
import type { TensorValue } from '../../../serving/engine/tensor.ts';
import { ServingError } from '../../../serving/errors.ts';
import { seeded } from '../wire/numbers.ts';

export interface BatchingFigures {
  readonly requests: number;
  readonly rows: number;
  readonly answered: number;
  readonly refused: Record<string, number>;
  readonly batches: number;
  readonly largestBatch: number;
}

/** A row that the model fails at, and every row that runs with it. */
const poison = -1;

/** `y = model * 1e6 + row[0] + width of the row / 100`: nobody else's answer. */
function sessionOf(model: number, random: () => number): Session {
  return {
    async run(take) {
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
      const [input] = take() ?? [];
      if (input === undefined) return undefined;
      const { shape, data } = input;
      const [rows = 0, width = 0] = shape;
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
      const values = data as Float32Array;
      const y = new Float64Array(rows);
      for (let row = 0; row < rows; row++) {
        const first = values[row * width] as number;
        if (first === poison) throw new ServingError('SERVING_INFERENCE_FAILED', 'poison');
        for (let at = 1; at < width; at++)
          if (values[row * width + at] !== first) throw new Error('rows were cut');
        y[row] = model * 1e6 + first + width / 100;
      }
      return [{ name: 'y', dtype: 'float64', shape: [rows, 1], data: y }];
    },
    confirmProvider: async () => {},
    close: async () => {},
  };
}

/**
 * Requests that come at random times, of random sizes, for three models that batch by random settings; some hold rows that the model
 * fails at, some are cancelled, some have no time. Throws where a caller gets anything but exactly its own rows or its own fault.
 */
export async function batchingRound(requests: number, seed: number): Promise<BatchingFigures> {
  const random = seeded(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const settings = {
    maxBatchSize: 1 + below(64),
    batchTimeoutMs: random() < 0.7 ? 0 : below(4),
    maxEnqueued: random() < 0.7 ? 1_000_000 : 20 + below(100),
    allowedBatchSizes: random() < 0.5 ? [] : [64, 4, 16],
  };
  const seen = { requests, rows: 0, answered: 0, batches: 0, largestBatch: 0 };
  const refused: Record<string, number> = {};
  const batchers = [1, 2, 3].map(
    (model) =>
      new Batcher(sessionOf(model, random), settings, model === 3, ({ rows }) => {
        seen.batches += 1;
        seen.largestBatch = Math.max(seen.largestBatch, rows);
      }),
  );
  let value = 0;

  const request = async () => {
    for (let waits = below(4); waits > 0; waits--) await new Promise((resolve) => setImmediate(resolve));
    const model = 1 + below(3);
    const rows = 1 + below(random() < 0.1 ? 40 : 4);
    const width = model === 3 ? 1 + below(3) : 2;
    const data = new Float32Array(rows * width);
    const first = ++value;
    for (let row = 0; row < rows; row++) data.fill(first + row / 64, row * width, (row + 1) * width);
    const isPoisoned = random() < 0.02;
    if (isPoisoned) data.fill(poison, below(rows) * width);
    const hasNoTime = random() < 0.03;
    const signal = { aborted: false };
    const isCancelled = random() < 0.03;
    if (isCancelled) setImmediate(() => Object.assign(signal, { aborted: true }));
    seen.rows += rows;
    const input: TensorValue = { name: 'x', dtype: 'float32', shape: [rows, width], data };
    const deadlineMs = hasNoTime ? performance.now() - 1 : Number.POSITIVE_INFINITY;
    try {
      const [y] = await (batchers[model - 1] as Batcher).run([input], rows, deadlineMs, signal);
      const got = Array.from(y?.data as Float64Array);
      const expected = Array.from(
        { length: rows },
        (_, row) => model * 1e6 + Math.fround(first + row / 64) + width / 100,
      );
      if (isPoisoned || hasNoTime || y?.shape[0] !== rows || got.join() !== expected.join())
        throw new Error(`seed ${seed}: ${expected} was asked for, ${got} came`);
      seen.answered += 1;
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      const allowed =
        (error.code === 'SERVING_INFERENCE_FAILED' && isPoisoned) ||
        (error.code === 'SERVING_DEADLINE' && hasNoTime) ||
        (error.code === 'SERVING_CANCELLED' && isCancelled) ||
        (error.code === 'SERVING_OVERLOADED' && settings.maxEnqueued < 1_000_000);
      if (!allowed) throw new Error(`seed ${seed}: refused with ${error.code}, which was not its fault`);
      refused[error.code] = (refused[error.code] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: requests }, request));
  for (const batcher of batchers) await isEmpty(batcher, settings.maxEnqueued);
  return { ...seen, refused };
}

/** A batcher that has answered everything has room for exactly as many rows as it may hold. */
async function isEmpty(batcher: Batcher, maxEnqueued: number): Promise<void> {
  const run = (rows: number) => {
    const data = new Float32Array(rows * 2).fill(7);
    return batcher.run([{ name: 'x', dtype: 'float32', shape: [rows, 2], data }], rows, Infinity, undefined);
  };
  if (maxEnqueued >= 1_000_000) return;
  const both = [run(1), run(maxEnqueued - 1)];
  const beyond = await run(1).then(
    () => 'taken',
    (error: ServingError) => error.code,
  );
  await Promise.all(both);
  if (beyond !== 'SERVING_OVERLOADED') throw new Error(`a row beyond maxEnqueued was ${beyond}`);
}
