import type { SymbolicTensor } from '../../onnx/index.ts';
import { unsupported } from '../layer.ts';
import { matmul, transpose } from '../shapes.ts';
import { argument, isTensor, numbers, type Operation, twoOf } from './arguments.ts';

export const matmulOf: Operation = (layer) => {
  let [a, b] = twoOf(layer).map((x) => numbers(layer, x)) as [SymbolicTensor, SymbolicTensor];
  if (argument(layer, -1, 'transpose_a') === true) a = transpose(layer, a, swapped(a.shape.length));
  if (argument(layer, -1, 'transpose_b') === true) b = transpose(layer, b, swapped(b.shape.length));
  if (Math.min(a.shape.length, b.shape.length) < 2) throw unsupported(layer, 'a vector as an operand');
  return matmul(layer, a, b);
};

const swapped = (rank: number) =>
  Array.from({ length: rank }, (_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));

export const einsum: Operation = (layer) => {
  const equation = String(
    argument(layer, typeof layer.args[0] === 'string' ? 0 : -1, 'equation', 'subscripts'),
  ).replaceAll(' ', '');
  const operands = [...layer.inputs, ...Object.values(layer.kwargs).flat().filter(isTensor)];
  const match = /^([a-zA-Z,]+)->([a-zA-Z]*)$/.exec(equation);
  if (match === null) throw unsupported(layer, `equation '${equation}'`);
  const terms = (match[1] as string).split(',');
  // Keras 2 does not write down which tensors tf.einsum takes.
  if (operands.length !== terms.length) {
    throw unsupported(
      layer,
      `the file names ${operands.length} of the ${terms.length} tensors that '${equation}' takes; use EinsumDense, Dot or tf.matmul`,
    );
  }
  const sizes = new Map(
    terms.flatMap((labels, i) =>
      [...labels].map((label, axis) => [label, operands[i]?.shape[axis] as number] as const),
    ),
  );
  const shape = [...(match[2] as string)].map((label) => sizes.get(label) as number);
  return layer.graph.node('Einsum', operands, { name: `${layer.name}/einsum`, shape }, { equation });
};
