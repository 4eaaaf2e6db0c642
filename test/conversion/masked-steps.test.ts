import { expect, it } from '@jest/globals';
import type { KerasModel } from '../../conversion/keras/model.ts';
import type { Signature } from '../../conversion/manifest/index.ts';
import { onnxTarget } from '../../conversion/targets/onnx.ts';
import type { TargetRequest } from '../../conversion/targets/target.ts';
import { withMaskedSteps } from '../../conversion/verify/masked-steps.ts';
import { answers } from '../../conversion/verify/model-parity.ts';
import { randomInputs } from '../../conversion/verify/parity.ts';
import { seededRandom } from '../../conversion/verify/random.ts';

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
const masking = model(layer('Masking', { mask_value: 0.1 }));
const steps = (data: Float64Array) =>
  Array.from({ length: data.length / 3 }, (_, i) => [...data.slice(3 * i, 3 * i + 3)]);

it('what a Masking layer takes for no step is among the inputs of the gate, but no row is without a step', () => {
  const random = randomInputs(signature, 0);
  const [x] = withMaskedSteps(random, signature, masking, new Map(), 0);
  const isMasked = steps(x!.data).map((step) => step.every((value) => value === Math.fround(0.1)));
  const untouched = steps(x!.data).filter((_, i) => !isMasked[i]);
  expect(isMasked.filter(Boolean).length).toBeGreaterThan(isMasked.length / 5);
  const left = Array.from(
    { length: isMasked.length / 7 },
    (_, row) => isMasked.slice(7 * row, 7 * row + 7).filter((is) => !is).length,
  );
  expect(Math.min(...left)).toBe(1);
  expect(Math.max(...left)).toBeGreaterThan(3);
  expect(untouched).toEqual(steps(random[0]!.data).filter((_, i) => !isMasked[i]));
});

it('ids that an Embedding with mask_zero takes for no step are 0 in every row, and others are left', () => {
  const ids: Signature = { inputs: [{ name: 'ids', dtype: 'int32', shape: [-1, 9] }], outputs: [] };
  const bounds = new Map([['ids', 3]]);
  const random = randomInputs(ids, 0, bounds);
  const embedding = (mask_zero: boolean) =>
    model(layer('TimeDistributed', { layer: layer('Embedding', { mask_zero }) }));
  const [x] = withMaskedSteps(random, ids, embedding(true), bounds, 0);
  for (let row = 0; row < x!.data.length / 9; row++) {
    const each = x!.data.slice(9 * row, 9 * row + 9);
    expect(each).toContain(0);
    expect(Math.max(...each)).toBeGreaterThan(0);
  }
  expect(withMaskedSteps(random, ids, embedding(false), bounds, 0)).toBe(random);
});

it('inputs of a model without a Masking layer stay as they are', () => {
  const random = randomInputs(signature, 0);
  expect(withMaskedSteps(random, signature, model(layer('Dense', { units: 1 })), new Map(), 0)).toBe(random);
});

/** Averages what is not masked: over the fewer steps, the larger. */
function averaging(): KerasModel {
  const random = seededRandom(1);
  const weight = (name: string, ...shape: number[]) => ({
    name,
    shape,
    data: Float32Array.from({ length: shape.reduce((n, dim) => n * dim, 1) }, () => random() - 0.5),
  });
  const dense = (name: string, units: number) =>
    ({ class_name: 'Dense', config: { name, units, activation: 'linear', use_bias: false } }) as const;
  const layers = [
    { class_name: 'InputLayer', config: { name: 'x', batch_shape: [null, 32, 6], dtype: 'float32' } },
    { class_name: 'Masking', config: { name: 'masking', mask_value: -999 } },
    dense('inner', 24),
    { class_name: 'GlobalAveragePooling1D', config: { name: 'average' } },
    dense('outer', 8),
  ];
  return {
    kind: 'keras',
    dialect: 'keras-3',
    config: { class_name: 'Sequential', config: { name: 'averaging', layers } },
    weights: new Map([
      ['inner', [weight('kernel', 6, 24)]],
      ['outer', [weight('kernel', 24, 8)]],
    ]),
  };
}

it('integers reach as far as values of masked rows: without rows of the user too', async () => {
  const request: Omit<TargetRequest, 'method'> = {
    model: averaging(),
    where: 'averaging',
    custom: {},
    seed: 0,
    budget: { relativeError: 0.05 },
  };
  const exact = await onnxTarget.convert({ ...request, method: 'none' });
  const small = await onnxTarget.convert({ ...request, method: 'static-int8' });
  const [x] = randomInputs(exact.signature, 9);
  const rowSize = 32 * 6;
  const one = x!.data.map((value, i) => (i % rowSize < 6 ? value : -999));
  const rows = { inputs: [{ shape: x!.shape, data: one }] };
  const [[expected], [actual]] = [
    await answers(exact.files, exact.signature, rows),
    await answers(small.files, exact.signature, rows),
  ];
  const largest = expected!.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const apart = expected!.data.reduce(
    (max, value, i) => Math.max(max, Math.abs(value - actual!.data[i]!)),
    0,
  );
  // By rows without masks alone it was 0.75.
  expect(apart / largest).toBeLessThan(0.1);
  expect(small.parity.samples).toBe(2 * exact.parity.samples);
});
