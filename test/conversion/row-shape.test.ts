import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { convert, readLabelledSet } from '../../conversion/index.ts';
import type { Signature } from '../../conversion/manifest/index.ts';
import { readSampleRows } from '../../conversion/verify/sample-rows.ts';
import { openRecorded } from './recorded.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelmile-rows-'));
const recorded = openRecorded('layers.zip');
afterAll(() => {
  recorded.close();
  rmSync(folder, { recursive: true, force: true });
});

/** @returns the path of a file of JSON lines */
function lines(...rows: readonly unknown[]): string {
  const path = join(folder, `${rows.length}-${Math.random()}.jsonl`);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return path;
}

const taking = (...shape: number[]): Signature => ({
  inputs: [{ name: 'x', dtype: 'float32', shape: [-1, ...shape] }],
  outputs: [],
});

const steps = (count: number) => Array.from({ length: count }, (_, i) => [i, i + 0.5]);

describe('rows for a model of open sizes', () => {
  it('are as long as the lists of JSON lines', async () => {
    const path = lines({ input: steps(4) }, { input: steps(4) });
    const { inputs } = await readSampleRows(path, taking(-1, 2));
    expect(inputs[0]).toEqual({
      shape: [2, 4, 2],
      data: Float64Array.from([...steps(4), ...steps(4)].flat()),
    });
  });

  it('are told from their numbers where those are flat and one size is open', async () => {
    const path = lines({ input: steps(4).flat() }, { input: steps(4).flat() });
    expect((await readSampleRows(path, taking(-1, 2))).inputs[0]!.shape).toEqual([2, 4, 2]);
    await expect(readSampleRows(path, taking(-1, -1))).rejects.toMatchObject({
      code: 'CONVERSION_BAD_SAMPLES',
    });
  });

  it('are refused where one is longer than another: others would be made of them', async () => {
    const path = lines({ input: steps(2) }, { input: steps(4) });
    await expect(readSampleRows(path, taking(-1, 2))).rejects.toMatchObject({
      code: 'CONVERSION_BAD_SAMPLES',
    });
    const labelled = lines(
      { input: [steps(2)], label: 0 },
      { input: steps(2).map((step) => [step]), label: 0 },
    );
    await expect(readLabelledSet(labelled)).rejects.toMatchObject({ code: 'CONVERSION_BAD_SAMPLES' });
  });

  it('are classified as any others', async () => {
    const { files, inputs } = recorded.expected['keras3-time-distributed-open']!;
    const { shape, data } = inputs[0]!;
    const [rows, count, width] = shape as [number, number, number];
    const row = (i: number) =>
      Array.from({ length: count }, (_, step) =>
        data.slice((i * count + step) * width, (i * count + step + 1) * width),
      );
    const labels = lines(...Array.from({ length: rows }, (_, i) => ({ input: row(i), label: 0 })));
    const { manifest } = await convert(recorded.path(files[0]!), { labels });
    expect(manifest.accuracy).toMatchObject({ samples: rows });
  });
});
