import type { DataType, Signature, TensorSpec } from '../conversion/manifest/index.ts';

const sample = (dtype: DataType): number | string | boolean =>
  dtype === 'string' ? '' : dtype === 'bool' ? false : 0;

/** A value of the given shape, nested; open sizes become 1. */
function nested(dtype: DataType, shape: readonly number[]): unknown {
  const [size, ...rest] = shape;
  if (size === undefined) return sample(dtype);
  return Array.from({ length: size < 0 ? 1 : size }, () => nested(dtype, rest));
}

/** A body for `:predict` that a model with this signature answers: TensorFlow Serving's row form, or columns without a batch. */
export function exampleRow({ inputs }: Signature): Record<string, unknown> {
  const value = ({ dtype, shape }: TensorSpec) => nested(dtype, shape);
  if (inputs.some((spec) => spec.shape[0] !== -1)) {
    return { inputs: Object.fromEntries(inputs.map((spec) => [spec.name, value(spec)])) };
  }
  const row = (spec: TensorSpec) => nested(spec.dtype, spec.shape.slice(1));
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined) return { instances: [row(only)] };
  return { instances: [Object.fromEntries(inputs.map((spec) => [spec.name, row(spec)]))] };
}
