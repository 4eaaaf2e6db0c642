import type { SymbolicTensor } from '../../onnx/index.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { elementwise, reduce, scalar } from '../shapes.ts';
import { argument, axesOf, first, floats, keepDims, type Operation } from './arguments.ts';

/** How the absolute values of one axis, and of a matrix's other axis, become one number: the largest or smallest sum of columns or rows. */
const matrixNorms: Readonly<Record<string, readonly [fold: string, sumsOverRows: boolean]>> = {
  '1': ['ReduceMax', true],
  '-1': ['ReduceMin', true],
  Infinity: ['ReduceMax', false],
  '-Infinity': ['ReduceMin', false],
};

/** The length of vectors (along one axis, or Keras 2's whole tensor), or the norm of matrices (along two). */
function lengthOf(
  layer: LayerContext,
  x: SymbolicTensor,
  axes: readonly number[],
  order: unknown,
  keep: boolean,
): SymbolicTensor {
  const isMatrix = axes.length === 2 && argument(layer, -1, 'axis') !== undefined;
  if (['undefined', 'fro', 'euclidean', ...(isMatrix ? [] : ['2'])].includes(String(order))) {
    const squares = elementwise(layer, 'Mul', [x, x]);
    return elementwise(layer, 'Sqrt', [reduce(layer, 'ReduceSum', squares, axes, keep)]);
  }
  const sizes = elementwise(layer, 'Abs', [x]);
  if (isMatrix) {
    const known = matrixNorms[String(order)];
    if (known === undefined) throw unsupported(layer, `ord=${String(order)} of matrices`);
    const [fold, sumsOverRows] = known;
    const [row, column] = axes as [number, number];
    const sums = reduce(layer, 'ReduceSum', sizes, [sumsOverRows ? row : column], true);
    const largest = reduce(layer, fold, sums, [sumsOverRows ? column : row], true);
    return keep ? largest : reduce(layer, 'ReduceSum', largest, axes, false);
  }
  if (typeof order !== 'number') throw unsupported(layer, `ord=${String(order)}`);
  if (!Number.isFinite(order)) return reduce(layer, order > 0 ? 'ReduceMax' : 'ReduceMin', sizes, axes, keep);
  if (order === 0) return reduce(layer, 'ReduceSum', elementwise(layer, 'Sign', [sizes]), axes, keep);
  if (order === 1) return reduce(layer, 'ReduceSum', sizes, axes, keep);
  const powers = elementwise(layer, 'Pow', [sizes, scalar(layer, order)]);
  const sum = reduce(layer, 'ReduceSum', powers, axes, keep);
  return elementwise(layer, 'Pow', [sum, scalar(layer, 1 / order)]);
}

const namedAxes = (layer: LayerContext, rank: number) => axesOf(layer, rank, -1);

/** Keras 3's `ops.norm`, `tf.norm`. */
export const norm: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const axes = namedAxes(layer, x.shape.length);
  if (layer.isOperation && axes.length > 2) throw unsupported(layer, 'a norm over more than two axes');
  return lengthOf(layer, x, axes, argument(layer, -1, 'ord'), keepDims(layer));
};

/** `tf.math.l2_normalize`: the square of the length is bounded. Keras 3's `ops.normalize`: the length, of any order. */
export const normalize: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const axes = axesOf(layer, x.shape.length);
  if (layer.isOperation) {
    const least = scalar(layer, Number(argument(layer, -1, 'epsilon') ?? 1e-7));
    const length = lengthOf(layer, x, axes, argument(layer, -1, 'order') ?? 2, true);
    return elementwise(layer, 'Div', [x, elementwise(layer, 'Max', [length, least])]);
  }
  const sum = reduce(layer, 'ReduceSum', elementwise(layer, 'Mul', [x, x]), axes, true);
  const least = scalar(layer, Number(argument(layer, -1, 'epsilon') ?? 1e-12));
  return elementwise(layer, 'Div', [
    x,
    elementwise(layer, 'Sqrt', [elementwise(layer, 'Max', [sum, least])]),
  ]);
};
