import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { assemble, evaluate, kerasToTflite, readTflite } from '../../../conversion/tflite/index.ts';
import { tfliteMethods } from '../../../conversion/tflite/methods.ts';
import { float16Bits } from '../../../conversion/tflite/quantize/weights.ts';
import {
  calibrationRows,
  errorAgainst,
  expected,
  readModel,
  tensorOf,
  testRows,
  writeModel,
} from './cases.ts';
import { interpret, pythonWith } from './python.ts';

const work = mkdtempSync(join(tmpdir(), 'modelmile-tflite-quantized-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const lossy = ['float16', 'dynamic-int8', 'static-int8'] as const;
const cases = Object.entries(expected).flatMap(([name, { quantized }]) =>
  quantized === undefined ? [] : lossy.map((method) => ({ name, method, quantized })),
);
const rowShape = (name: string) => expected[name]!.inputs[0]!.shape.slice(1);

async function converted(name: string, method: (typeof lossy)[number]): Promise<Uint8Array> {
  const { program } = kerasToTflite(await readModel(writeModel(name, work)));
  return assemble(await tfliteMethods[method].apply(program, [tensorOf(calibrationRows(rowShape(name)))]));
}

describe('quantized .tflite files', () => {
  it.each(cases)(
    'come as near to Keras as TFLiteConverter with the same rows, in no more room: $name $method',
    async ({ name, method, quantized }) => {
      const theirs = quantized.methods[method]!;
      const bytes = await converted(name, method);
      const [answer] = evaluate(readTflite(bytes, name), [tensorOf(testRows(rowShape(name)))]);
      const { rms, rounding } = errorAgainst(quantized.reference, answer!.data, method);
      expect(rms).toBeLessThanOrEqual(Math.max(1.15 * theirs.rms, rounding));
      expect(bytes.length).toBeLessThanOrEqual(1.01 * theirs.bytes);
    },
  );

  it('ask for calibration rows by name of the method', async () => {
    const { program } = kerasToTflite(await readModel(writeModel('keras3-digits', work)));
    await expect(tfliteMethods['static-int8'].apply(program, undefined)).rejects.toThrow('--calibration');
  });
});

const python = pythonWith('ai_edge_litert');

(python === undefined ? describe.skip : describe)('the real interpreter (ai-edge-litert)', () => {
  it('agrees on every quantized file', async () => {
    const jobs = [];
    for (const { name, method } of cases) {
      const model = join(work, `${name}-${method}.tflite`);
      const bytes = await converted(name, method);
      writeFileSync(model, bytes);
      const [input] = readTflite(bytes, name).inputNames as [string];
      jobs.push({ model, inputs: { [input]: testRows(rowShape(name)) } });
    }
    const worse: string[] = [];
    interpret(python as string, jobs).forEach(({ outputs, error }, i) => {
      const { name, method, quantized } = cases[i]!;
      expect([name, method, error]).toEqual([name, method, undefined]);
      const { rms, rounding } = errorAgainst(quantized.reference, Object.values(outputs!)[0]!.data, method);
      const allowed = Math.max(1.15 * quantized.methods[method]!.rms, rounding);
      if (!(rms <= allowed)) worse.push(`${name} ${method}: ${rms}, allowed ${allowed}`);
    });
    expect(worse).toEqual([]);
  }, 120_000);
});

describe('float16', () => {
  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 1],
    [2 ** -14, 0x0400],
    // Halfway between two: the even one.
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000],
    [0, 0],
  ])('rounds %d as IEEE 754 says', (value, bits) => {
    expect(float16Bits(Math.fround(value))).toBe(bits);
  });
});
