import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { evaluate } from '../../../conversion/tflite/evaluate/index.ts';
import { assemble, kerasToTflite } from '../../../conversion/tflite/index.ts';
import { readTflite } from '../../../conversion/tflite/read.ts';
import { errorOf, expected, readModel, tensorOf, writeModel } from './cases.ts';
import { type Answer, interpret, pythonWith } from './python.ts';

const work = mkdtempSync(join(tmpdir(), 'modelmile-tflite-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const names = Object.keys(expected);
const files = new Map<string, Uint8Array>();

async function converted(name: string): Promise<Uint8Array> {
  const known = files.get(name);
  if (known !== undefined) return known;
  const bytes = assemble(kerasToTflite(await readModel(writeModel(name, work))).program);
  files.set(name, bytes);
  return bytes;
}

describe('Keras models as .tflite files', () => {
  it.each(names)('answers as Keras does, by the definitions of its operators: %s', async (name) => {
    const { inputs } = expected[name]!;
    const outputs = evaluate(readTflite(await converted(name), name), inputs.map(tensorOf));
    const actual = outputs.map(({ shape, data }) => ({ shape, data: Array.from(data) }));
    const { error, allowed } = errorOf(actual, expected[name]!);
    expect(actual.map(({ shape }) => shape)).toEqual(expected[name]!.outputs.map(({ shape }) => shape));
    expect(error).toBeLessThanOrEqual(allowed);
  });

  it.each(names.filter((name) => expected[name]!.converterBytes !== null))(
    "is no more than 1 %% larger than TensorFlow's own file: %s",
    async (name) => {
      expect((await converted(name)).length).toBeLessThanOrEqual(1.01 * expected[name]!.converterBytes!);
    },
  );

  it('gives the same bytes for the same source', async () => {
    const model = await readModel(writeModel('keras3-functional', work));
    const [first, second] = [assemble(kerasToTflite(model).program), assemble(kerasToTflite(model).program)];
    expect(Buffer.compare(first, second)).toBe(0);
  });
});

const python = pythonWith('ai_edge_litert');

(python === undefined ? describe.skip : describe)('the real interpreter (ai-edge-litert)', () => {
  const answers = new Map<string, Answer>();

  beforeAll(async () => {
    const jobs = [];
    for (const name of names) {
      const model = join(work, `${name}.tflite`);
      const bytes = await converted(name);
      writeFileSync(model, bytes);
      const inputs = readTflite(bytes, name).inputNames.map((input, i) => [
        input,
        expected[name]!.inputs[i]!,
      ]);
      jobs.push({ model, inputs: Object.fromEntries(inputs) });
    }
    interpret(python as string, jobs).forEach((answer, i) => {
      answers.set(names[i] as string, answer);
    });
  }, 120_000);

  it.each(names)('answers as Keras does: %s', (name) => {
    const { outputs, error: refused } = answers.get(name)!;
    expect(refused).toBeUndefined();
    const inOrder = readTflite(files.get(name)!, name).outputNames.map((output) => outputs![output]!);
    const { error, allowed } = errorOf(inOrder, expected[name]!);
    expect(error).toBeLessThanOrEqual(allowed);
  });
});
