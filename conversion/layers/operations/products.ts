import type { SymbolicTensor } from '../../onnx/index.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { cast, matmul, transpose } from '../shapes.ts';
import { argument, floats, isTensor, numbers, type Operation, twoOf, wholeType } from './arguments.ts';

/** Keras 3 multiplies whole numbers in float32 and rounds what comes out towards zero, all but int8 by int8. */
function multiplied(
  layer: LayerContext,
  operands: readonly SymbolicTensor[],
  multiply: (operands: readonly SymbolicTensor[]) => SymbolicTensor,
): SymbolicTensor {
  const types = operands.map(({ dtype }) => dtype);
  if (types.some((type) => type.startsWith('float'))) return multiply(operands.map((x) => floats(layer, x)));
  if (types.every((type) => type === 'int8')) return multiply(operands.map((x) => cast(layer, x, 'int32')));
  const type = wholeType(types);
  if (type !== 'int32' && type !== 'int64')
    throw unsupported(layer, `a product of ${type}; cast it to int32 or float32 before`);
  return cast(layer, multiply(operands.map((x) => floats(layer, x))), type);
}

export const matmulOf: Operation = (layer) => {
  const product = ([first, second]: readonly SymbolicTensor[]) => {
    let [a, b] = [first!, second!];
    if (argument(layer, -1, 'transpose_a') === true) a = transpose(layer, a, swapped(a.shape.length));
    if (argument(layer, -1, 'transpose_b') === true) b = transpose(layer, b, swapped(b.shape.length));
    if (Math.min(a.shape.length, b.shape.length) < 2) throw unsupported(layer, 'a vector as an operand');
    return matmul(layer, a, b);
  };
  const operands = twoOf(layer);
  return layer.isOperation
    ? multiplied(layer, operands, product)
    : product(operands.map((x) => numbers(layer, x)));
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
  const name = `${layer.name}/einsum`;
  const product = (given: readonly SymbolicTensor[]) =>
    layer.graph.node('Einsum', given, { name, shape }, { equation });
  return layer.isOperation ? multiplied(layer, operands, product) : product(operands);
};
