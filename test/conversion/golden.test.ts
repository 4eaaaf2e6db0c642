import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { checkGolden, convert, readLabelledSet } from '../../conversion/index.ts';
import { readGoldenRows, readSampleRows } from '../../conversion/verify/sample-rows.ts';
import { repository } from '../support/checkout.ts';
import { expected, writeModel } from './tflite/cases.ts';

const digits = join(repository, 'samples/digits/model.h5');
const heldout = join(repository, 'samples/digits/heldout.npz');
const work = mkdtempSync(join(tmpdir(), 'modelmile-golden-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** What Keras answered to the recorded inputs, as JSON lines; `moved` is added to one number of the last row. */
function golden(name: string, outputs: readonly string[], inputs: readonly string[], moved = 0): string {
  const { inputs: given, outputs: answered } = expected[name]!;
  const rows = given[0]!.shape[0] as number;
  const rowOf = ({ data }: { data: readonly number[] }, row: number) =>
    data.slice((row * data.length) / rows, ((row + 1) * data.length) / rows);
  const lines = Array.from({ length: rows }, (_, row) => {
    const line = {
      inputs: Object.fromEntries(inputs.map((input, i) => [input, rowOf(given[i]!, row)])),
      outputs: Object.fromEntries(outputs.map((output, i) => [output, rowOf(answered[i]!, row)])),
    };
    if (row === rows - 1) line.outputs[outputs[0]!]![0]! += moved;
    return JSON.stringify(line);
  });
  const path = join(work, `${name}-${moved}.jsonl`);
  writeFileSync(path, lines.join('\n'));
  return path;
}

describe('golden samples', () => {
  it.each(['onnx', 'tflite'])(
    'pass where the %s file answers as Keras did, whatever it is made of',
    async (target) => {
      for (const name of ['keras3-functional', 'keras2-sequential']) {
        const conversion = await convert(writeModel(name, work), { target });
        const { inputs, outputs } = conversion.manifest.signatures['serving_default']!;
        const names = [outputs, inputs].map((specs) => specs.map((spec) => spec.name)) as [
          string[],
          string[],
        ];
        const { samples, maxAbsError } = await checkGolden(conversion, golden(name, ...names));
        expect(samples).toBe(3);
        expect(maxAbsError).toBeGreaterThan(0);
        expect(maxAbsError).toBeLessThan(1e-4);
        await expect(checkGolden(conversion, golden(name, ...names, 0.01))).rejects.toMatchObject({
          code: 'CONVERSION_GOLDEN_FAILED',
        });
      }
    },
  );

  it('bind a version that was judged by its accuracy alone, and fail where they hold what is no number', async () => {
    const conversion = await convert(writeModel('keras2-sequential', work));
    const { outputs, inputs } = conversion.manifest.signatures['serving_default']!;
    const names = [outputs, inputs].map((specs) => specs.map((spec) => spec.name)) as [string[], string[]];
    const { manifest } = conversion;
    const parity = { ...manifest.parity, tolerance: Number.MAX_VALUE };
    const unbound = { ...conversion, manifest: { ...manifest, parity } };
    expect((await checkGolden(unbound, golden('keras2-sequential', ...names))).samples).toBe(3);
    await expect(checkGolden(unbound, golden('keras2-sequential', ...names, 1e6))).rejects.toMatchObject({
      code: 'CONVERSION_GOLDEN_FAILED',
    });
    await expect(
      checkGolden(unbound, golden('keras2-sequential', ...names, Number.POSITIVE_INFINITY)),
    ).rejects.toMatchObject({ code: 'CONVERSION_BAD_SAMPLES' });
  });

  it('that lack an output, or are of another model, are refused by what is missing', async () => {
    const conversion = await convert(writeModel('keras3-functional', work));
    const path = join(work, 'odd.jsonl');
    writeFileSync(path, '{"inputs": {"x": [1, 2, 3, 4], "y": [1, 2, 3, 4]}}');
    await expect(checkGolden(conversion, path)).rejects.toThrow(/no array '(o1|dense)'/);
  });

  it('that are a labelled set are called so, with the rows that the file has', async () => {
    const { inputs, outputs } = (await convert(digits)).manifest.signatures['serving_default']!;
    const rows = (await readLabelledSet(heldout)).rows;
    const refused = readGoldenRows(heldout, { inputs, outputs });
    await expect(refused).rejects.toThrow(
      `[${rows},784] is ${rows} rows of 'pixels' [-1,784], [${rows}] is ${rows / 10} rows`,
    );
    await expect(refused).rejects.toThrow(/a labelled set goes to --labels/);
  });

  it('of which there are more inputs than answers are refused, also where both are more than are taken', async () => {
    const spec = { dtype: 'float32' as const, shape: [-1, 1] };
    const path = join(work, 'uneven.jsonl');
    const lines = Array.from({ length: 1200 }, (_, i) =>
      JSON.stringify({ input: [i], ...(i < 600 ? { output: [i] } : {}) }),
    );
    writeFileSync(path, lines.join('\n'));
    const signature = { inputs: [{ name: 'in', ...spec }], outputs: [{ name: 'out', ...spec }] };
    await expect(readGoldenRows(path, signature)).rejects.toThrow(/1200 rows of 'in'.*600 rows of 'out'/);
  });
});

it.each([
  ['golden', (path: string) => readGoldenRows(path, { inputs: [], outputs: [] })],
  ['sample', (path: string) => readSampleRows(path, { inputs: [], outputs: [] })],
  ['labelled', readLabelledSet],
])('%s rows that are in no file are called missing, and nothing is said of their form', async (_, read) => {
  await expect(read(join(work, 'nothere.npz'))).rejects.toMatchObject({
    code: 'CONVERSION_NO_SUCH_FILE',
    what: expect.stringContaining('nothere.npz: there is no such file'),
  });
});

it('an unknown method is refused with all that there are, auto too where it is one', async () => {
  await expect(convert(digits, { method: 'nope' })).rejects.toThrow(
    /none, dynamic-int8, static-int8, float16, auto\./,
  );
  await expect(convert(digits, { method: 'nope', target: 'tflite' })).rejects.toThrow(
    /not one of (?!.*auto)/,
  );
});
