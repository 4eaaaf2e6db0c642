import { expect, it } from '@jest/globals';
import { isAgreed } from '../../../serving/canary/agreement.ts';
import type { TensorValue } from '../../../serving/engine/tensor.ts';

const floats = (...values: number[]): TensorValue[] => [
  { name: 'y', dtype: 'float32', shape: [values.length], data: Float32Array.from(values) },
];
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

it.each([
  [100, 101, true],
  [100, 102, false],
  [0, -0, true],
  [nan, nan, true],
  [nan, 1, false],
  [1, nan, false],
  [infinity, infinity, true],
  [infinity, 1, false],
  [1, infinity, false],
  [infinity, -infinity, false],
  [infinity, nan, false],
])('within a hundredth %d and %d agree: %s', (stable, canary, isSame) => {
  expect(isAgreed(floats(stable), floats(canary), 0.01)).toBe(isSame);
});

it('another shape or another type of the same values is another answer', () => {
  const [one] = floats(1, 2) as [TensorValue];
  expect(isAgreed([one], [{ ...one, shape: [1, 2] }], 1)).toBe(false);
  expect(isAgreed([one], [{ ...one, dtype: 'float64', data: Float64Array.of(1, 2) }], 1)).toBe(false);
  expect(isAgreed([one], [], 1)).toBe(false);
});
