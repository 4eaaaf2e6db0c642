import type { Servable } from '../../engine/servable.ts';
import { countOf } from '../../engine/tensor.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';

/** A body for `infer` that the model answers: one row of zeros. */
export function exampleInfer({ signature }: Servable): string {
  const inputs = signature.inputs.map(({ name, dtype, shape }) => {
    const sizes = shape.map((size) => (size < 0 ? 1 : size));
    const value = dtype === 'string' ? '' : dtype === 'bool' ? false : 0;
    return {
      name,
      shape: sizes,
      datatype: openInferenceNames[dtype],
      data: Array(countOf(sizes)).fill(value),
    };
  });
  return JSON.stringify({ inputs });
}
