import { afterAll, expect, it } from '@jest/globals';
import { evaluate } from '../../../conversion/tflite/evaluate/index.ts';
import { assemble, kerasToTflite } from '../../../conversion/tflite/index.ts';
import { readTflite } from '../../../conversion/tflite/read.ts';
import { openRecorded } from '../recorded.ts';
import { readModel } from './cases.ts';

const recorded = openRecorded('layers.zip');
afterAll(() => recorded.close());

const names = ['nested', 'nested-many-ends', 'nested-rnn', 'siamese'].flatMap((name) => [
  `keras2-${name}`,
  `keras3-${name}`,
]);

it.each(names)('a model inside a model becomes a part of the .tflite file: %s', async (name) => {
  const { files, inputs, outputs, kerasErrors } = recorded.expected[name]!;
  const given = inputs.map(({ shape, data }) => ({ shape, data: Float64Array.from(data) }));
  for (const file of files) {
    const { program } = kerasToTflite(await readModel(recorded.path(file)));
    const actual = evaluate(readTflite(assemble(program), name), given);
    expect(actual.map(({ shape }) => shape)).toEqual(outputs.map(({ shape }) => shape));
    actual.forEach(({ data }, i) => {
      const expected = outputs[i]!.data;
      const largest = Math.max(...expected.map(Math.abs));
      const error = Math.max(...expected.map((value, k) => Math.abs(value - data[k]!)));
      expect(error).toBeLessThanOrEqual(Math.max(1e-5 * largest, 4 * kerasErrors[i]!));
    });
  }
});
