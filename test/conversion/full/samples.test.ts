import { describe, expect, it } from '@jest/globals';
import { installHint, pythonWith } from '../reference/python.ts';
import { fuzzModels } from './fuzz.ts';
import { convertDamaged } from './malformed.ts';

/** Samples of the full counts, of other seeds than theirs. */
describe('damaged files', () => {
  it('of every format are refused by a typed error or converted, in bounds, and leave nothing behind', async () => {
    const { files, ends } = await convertDamaged(32, 7);
    expect(files).toEqual({ h5: 8, keras: 8, onnx: 8, tflite: 8 });
    expect(ends['CONVERSION_SOURCE_CORRUPT']).toBeGreaterThan(5);
  }, 240_000);
});

const python = pythonWith('tf_keras');
const compared = python === undefined ? it.skip : it;

describe(`random models by the real frameworks${python === undefined ? `: ${installHint}` : ''}`, () => {
  compared.each(['keras2', 'keras3'] as const)(
    'of %s are never converted into another model',
    async (framework) => {
      const { cases, wrong } = await fuzzModels(python as string, framework, 1_000_000, 5);
      expect({ cases, wrong }).toEqual({ cases: 5, wrong: [] });
    },
    240_000,
  );
});
