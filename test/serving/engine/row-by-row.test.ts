import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { convert, writeVersion } from '../../../conversion/index.ts';
import { loadServable, type Servable } from '../../../serving/engine/servable.ts';
import { openVersion } from '../../../serving/repository/version.ts';

const digits = fileURLToPath(new URL('../../../samples/digits/model.h5', import.meta.url));
type Conversion = Awaited<ReturnType<typeof convert>>;
const batching = { maxBatchSize: 64, batchTimeoutMs: 0, maxEnqueued: 100, allowedBatchSizes: [] };

describe.each([
  ['here', (ours: Conversion) => ours],
  [
    'by somebody else',
    async (ours: Conversion, folder: string) => {
      await writeVersion(ours, join(folder, 'theirs'));
      return convert(join(folder, 'theirs', 'model.onnx'));
    },
  ],
])('a model whose activations are quantized as they come, made %s', (_by, make) => {
  let folder: string;
  let servable: Servable;
  const batches: number[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-rows-'));
    const conversion = await make(await convert(digits, { method: 'dynamic-int8' }), folder);
    await writeVersion(conversion, join(folder, '1'));
    const version = await openVersion(join(folder, '1'), 'digits', 1, []);
    const settings = { batching, executionProvider: 'cpu' as const };
    servable = await loadServable(version, settings, 1, ({ rows }) => batches.push(rows));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const row = Array.from({ length: 784 }, (_, index) => Math.max(0, Math.sin(index / 9)));
  const large = row.map((_, index) => (index === 0 ? 1e6 : 0));
  const answer = async (...rows: number[][]) => {
    const data = Float32Array.from(rows.flat());
    const input = { name: 'pixels', dtype: 'float32', shape: [rows.length, 784], data } as const;
    const [output] = await servable.runner.run([input], rows.length, performance.now() + 60_000, undefined);
    const scores = [...(output!.data as Float32Array)];
    return rows.map((_, index) => scores.slice(index * 10, index * 10 + 10));
  };

  it('gives a row the same answer whatever it is sent or run with', async () => {
    const [alone] = await answer(row);
    const beside = await Promise.all([answer(large), answer(row), answer(large, row)]);
    // Each request by itself, however many come together.
    expect(batches.slice(-3).sort()).toEqual([1, 1, 2]);
    expect(beside[1]).toEqual([alone]);
    expect(beside[2]![1]).toEqual(alone);
    expect(beside[2]![0]).not.toEqual(alone);
  });
});
