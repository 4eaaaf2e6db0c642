import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Batcher } from '../../../serving/engine/batcher.ts';
import { openSession, type Session } from '../../../serving/engine/session.ts';
import { scaledSum } from '../support/models.ts';

const settings = { maxBatchSize: 8, batchTimeoutMs: 0, maxEnqueued: 100, allowedBatchSizes: [] };
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('the batcher on ONNX Runtime', () => {
  const { signature, onnx } = scaledSum(3);
  let folder: string;
  let session: Session;
  const batches: number[] = [];
  let batcher: Batcher;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-batcher-'));
    const path = join(folder, 'model.onnx');
    await writeFile(path, onnx);
    session = await openSession(path, signature, 1, 'cpu');
    batches.length = 0;
    batcher = new Batcher(session, settings, false, ({ rows }) => batches.push(rows));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const ask = (first: number, signal?: AbortSignal) =>
    batcher
      .run(
        [{ name: 'x', dtype: 'float32', shape: [1, 2], data: Float32Array.of(first, 1) }],
        1,
        performance.now() + 10_000,
        signal,
      )
      .then(([output]) => Array.from(output?.data as Float32Array));

  it('takes what arrives until the runtime begins into the same run', async () => {
    const first = ask(1);
    await nextTurn();
    const second = ask(2);
    expect(await Promise.all([first, second])).toEqual([[6], [9]]);
    expect(batches).toEqual([2]);
  });

  it('runs nothing where every client has gone before the runtime begins', async () => {
    const gone = new AbortController();
    const answer = expect(ask(1, gone.signal)).rejects.toMatchObject({ code: 'SERVING_CANCELLED' });
    await nextTurn();
    gone.abort();
    await answer;
    await nextTurn();
    expect(batches).toEqual([]);
    expect(await ask(2)).toEqual([9]);
    expect(batches).toEqual([1]);
  });

  it('tells every client of a batch that the runtime refuses', async () => {
    await session.close();
    const answers = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    expect(answers.map((answer) => answer.status)).toEqual(['rejected', 'rejected', 'rejected']);
    for (const answer of answers)
      expect(answer).toMatchObject({ reason: { code: 'SERVING_INFERENCE_FAILED' } });
  });
});
