import { expect, it } from '@jest/globals';
import type { KerasModel } from '../../conversion/keras/model.ts';
import type { Signature } from '../../conversion/manifest/index.ts';
import { withMaskedSteps } from '../../conversion/verify/masked-steps.ts';
import { randomInputs } from '../../conversion/verify/parity.ts';

const layer = (class_name: string, config: Record<string, unknown>) => ({
  class_name,
  name: class_name,
  config,
});
const model = (...inside: ReturnType<typeof layer>[]) =>
  ({
    config: layer('Sequential', { layers: inside }),
    weights: new Map(),
    dialect: 'keras-3',
  }) as unknown as KerasModel;
const signature: Signature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 7, 3] }],
  outputs: [],
};
const steps = (data: Float64Array) =>
  Array.from({ length: data.length / 3 }, (_, i) => [...data.slice(3 * i, 3 * i + 3)]);

it('what a Masking layer takes for no step is among the inputs of the gate, but no row is without a step', () => {
  const random = randomInputs(signature, 0);
  const [x] = withMaskedSteps(random, signature, model(layer('Masking', { mask_value: 0.1 })), 0);
  const isMasked = steps(x!.data).map((step) => step.every((value) => value === Math.fround(0.1)));
  const untouched = steps(x!.data).filter((_, i) => !isMasked[i]);
  expect(isMasked.filter(Boolean).length).toBeGreaterThan(isMasked.length / 5);
  for (let row = 0; row < isMasked.length / 7; row++)
    expect(isMasked.slice(7 * row, 7 * row + 7)).toContain(false);
  expect(untouched).toEqual(steps(random[0]!.data).filter((_, i) => !isMasked[i]));
});

it('inputs of a model without a Masking layer stay as they are', () => {
  const random = randomInputs(signature, 0);
  expect(withMaskedSteps(random, signature, model(layer('Dense', { units: 1 })), 0)).toEqual(random);
});
