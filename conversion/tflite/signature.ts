import type { Signature } from '../manifest/index.ts';
import type { Graph, Program, Value } from './ir.ts';

/** What a program takes and gives, under the names that callers see. */
export function signatureOf({ graphs, inputNames, outputNames }: Program): Signature {
  const { inputs, outputs } = graphs[0] as Graph;
  const spec = (value: Value | undefined, name: string) => ({
    name,
    dtype: (value as Value).dtype,
    shape: [...(value as Value).shape],
  });
  return {
    inputs: inputNames.map((name, i) => spec(inputs[i], name)),
    outputs: outputNames.map((name, i) => spec(outputs[i], name)),
  };
}
