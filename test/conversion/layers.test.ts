import { afterAll, describe, expect, it } from '@jest/globals';
import { ConversionError } from '../../conversion/errors.ts';
import { convert } from '../../conversion/index.ts';
import { layers } from '../../conversion/layers/index.ts';
import { evaluate } from '../../conversion/verify/interpreter/layers.ts';
import { expectRight } from './expect-right.ts';
import { answersOf, faultsOf, openRecorded } from './recorded.ts';
import { isRefused } from './tiers.ts';

describe.each(['layers.zip', 'options.zip'])(
  'layers saved by tf_keras and Keras 3 answer as the same model does in float64: %s',
  (archive) => {
    const recorded = openRecorded(archive);
    afterAll(() => recorded.close());

    it.each(Object.keys(recorded.expected).filter((name) => !isRefused(name)))('%s', expectRight(recorded));

    const refused = Object.keys(recorded.expected).filter(isRefused);
    if (refused.length > 0)
      it.each(refused)('%s is refused, and the layer named', async (name) => {
        const model = recorded.expected[name]!;
        for (const file of model.files) {
          const refusal = await faultsOf(recorded.path(file), model).catch((error: unknown) => error);
          expect(refusal).toBeInstanceOf(ConversionError);
          expect(refusal).toMatchObject({
            code: 'CONVERSION_UNSUPPORTED_LAYER',
            message: expect.stringMatching(/^Layer '[^']+' \(\w+\): /),
          });
        }
      });
  },
);

it.each(['keras2', 'keras3'])(
  'Discretization puts what is no number into the last bin, as Keras does: %s',
  async (framework) => {
    const recorded = openRecorded('layers.zip');
    try {
      const [file] = recorded.expected[`${framework}-discretization`]!.files as [string];
      const inputs = [{ shape: [1, 3], data: [Number.NaN, -1, 1] }];
      const [bins] = await answersOf(await convert(recorded.path(file)), inputs);
      expect([...bins!.data]).toEqual([3, 0, 3]);
    } finally {
      recorded.close();
    }
  },
);

describe('the tables of layers', () => {
  it('have a reference for every class that converts, and no other', () => {
    const converted = Object.keys(layers).filter((name) => name !== 'InputLayer');
    expect(Object.keys(evaluate).sort()).toEqual(converted.sort());
  });
});
