import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { checkGolden, convert } from '../../conversion/index.ts';
import { expected, writeModel } from './tflite/cases.ts';

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
});
