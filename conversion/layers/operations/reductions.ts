import type { DataType } from '../../manifest/index.ts';
import type { SymbolicTensor } from '../../onnx/index.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { axisOf, cast, concat, elementwise, farEnd, reduce, scalar, slice, squeeze } from '../shapes.ts';
import {
  argument,
  axesOf,
  first,
  floats,
  integer,
  isWhole,
  keepDims,
  numbers,
  type Operation,
  signed,
  typeArgument,
} from './arguments.ts';
import { ordered } from './ordering.ts';

/** Of floats. */
export const reduction =
  (op: string): Operation =>
  (layer) => {
    const x = floats(layer, first(layer));
    return reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer));
  };

/** One axis multiplied, halves with each other: the runtime's own goes no farther than the largest number, Mul runs over. */
function productOver(layer: LayerContext, x: SymbolicTensor, axis: number, given: DataType): SymbolicTensor {
  let y = x;
  for (let size = x.shape[axis] as number; size !== 1; size = y.shape[axis] as number) {
    if (size < 1)
      throw unsupported(
        layer,
        `the product of ${size < 0 ? 'an open number' : 'none'} of ${given}; cast them to float32 before`,
      );
    const half = Math.floor(size / 2);
    const part = (start: number, end: number) => slice(layer, y, [{ axis, start, end }]);
    const halves = elementwise(layer, 'Mul', [part(0, half), part(half, 2 * half)]);
    y = size % 2 === 0 ? halves : concat(layer, [halves, part(size - 1, size)], axis);
  }
  return y;
}

/** The sum over one axis: the last of the running sums, for the runtime adds up int64 in float64. */
function sumOver(layer: LayerContext, x: SymbolicTensor, axis: number): SymbolicTensor {
  const sums = layer.graph.node('CumSum', [x, scalar(layer, axis, 'int64')], {
    name: `${layer.name}/cumsum`,
    shape: x.shape,
  });
  return slice(layer, sums, [{ axis, start: -1, end: farEnd }]);
}

/** Sums or products of what they are given; of whole numbers they run over, as TensorFlow's do. */
export const total =
  (op: 'ReduceSum' | 'ReduceProd'): Operation =>
  (layer) => {
    const given = first(layer);
    // Keras 3 counts the short ones in 32 bits, TensorFlow lets them run over.
    const isShort = !isWhole(given) && !given.dtype.startsWith('float');
    if (isShort && !layer.isOperation)
      throw unsupported(
        layer,
        `what adds up or multiplies ${given.dtype}; cast it to int32 or float32 before`,
      );
    if (given.dtype.startsWith('float')) return reduction(op)(layer);
    // Of int32 the runtime's sums stop at the largest number.
    const x = cast(layer, given, 'int64');
    const axes = axesOf(layer, x.shape.length);
    const isNone = axes.some((axis) => x.shape[axis] === 0);
    const over = op === 'ReduceProd' ? productOver : given.dtype === 'int64' && !isNone ? sumOver : undefined;
    const sumOrProduct =
      over === undefined
        ? reduce(layer, op, x, axes, keepDims(layer))
        : kept(
            layer,
            axes.reduce((y, axis) => over(layer, y, axis, given.dtype), x),
            axes,
          );
    const isUnsigned = given.dtype.startsWith('uint');
    return cast(layer, sumOrProduct, given.dtype === 'int64' ? 'int64' : isUnsigned ? 'uint32' : 'int32');
  };

const kept = (layer: LayerContext, x: SymbolicTensor, axes: readonly number[]) =>
  keepDims(layer) || axes.length === 0 ? x : squeeze(layer, x, axes);

/** The largest or smallest, of the type that is given. */
export const extreme =
  (op: 'ReduceMax' | 'ReduceMin'): Operation =>
  (layer) => {
    const given = first(layer);
    const isShort = !isWhole(given) && !given.dtype.startsWith('float');
    const long = signed(layer, given);
    // Of int64 the runtime's ReduceMax and ReduceMin compare the lower halves (1.30); its TopK does not.
    if (long.dtype === 'int64') {
      const axes = axesOf(layer, long.shape.length);
      const isLargest = op === 'ReduceMax';
      const best = axes.reduce((y, axis) => ordered(layer, y, axis, isLargest, 1)[0], long);
      return cast(layer, kept(layer, best, axes), given.dtype);
    }
    const x = isShort ? cast(layer, given, 'int32') : numbers(layer, given);
    const y = reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer));
    return isShort ? cast(layer, y, given.dtype) : y;
  };

/** TensorFlow's mean of whole numbers is one, rounded towards zero; Keras's is none. */
export const mean: Operation = (layer) => {
  const { dtype } = first(layer);
  if (!layer.isOperation && !dtype.startsWith('float'))
    throw unsupported(layer, `the mean of ${dtype}, which TensorFlow rounds; cast it to float32 before`);
  return reduction('ReduceMean')(layer);
};

export const truth =
  (op: string): Operation =>
  (layer) => {
    const x = cast(layer, cast(layer, first(layer), 'bool'), 'float32');
    return cast(layer, reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer)), 'bool');
  };

export const variance =
  (root: boolean): Operation =>
  (layer) => {
    const x = floats(layer, first(layer));
    const axes = axesOf(layer, x.shape.length);
    const centered = elementwise(layer, 'Sub', [x, reduce(layer, 'ReduceMean', x, axes, true)]);
    const y = reduce(
      layer,
      'ReduceMean',
      elementwise(layer, 'Mul', [centered, centered]),
      axes,
      keepDims(layer),
    );
    return root ? elementwise(layer, 'Sqrt', [y]) : y;
  };

export const argOf =
  (op: 'ArgMax' | 'ArgMin'): Operation =>
  (layer) => {
    const given = first(layer);
    const value = argument(layer, 1, 'axis');
    if (typeof value !== 'number') throw unsupported(layer, 'an axis must be given');
    const axis = axisOf(value, given.shape.length);
    const keep = keepDims(layer);
    const dtype = layer.isOperation ? 'int32' : typeArgument(layer, 2, 'int64', 'output_type');
    const long = signed(layer, given);
    // The runtime's ArgMax takes no int64.
    if (long.dtype === 'int64') {
      const [, best] = ordered(layer, long, axis, op === 'ArgMax', 1);
      return cast(layer, keep ? best : squeeze(layer, best, [axis]), dtype);
    }
    const x = given.dtype === 'int32' ? given : floats(layer, given);
    const shape = x.shape.flatMap((dim, i) => (i === axis ? (keep ? [1] : []) : [dim]));
    const places = layer.graph.node(
      op,
      [x],
      { name: `${layer.name}/${op.toLowerCase()}`, shape, dtype: 'int64' },
      { axis: BigInt(axis), keepdims: keep ? 1n : 0n },
    );
    return cast(layer, places, dtype);
  };

export const cumulative: Operation = (layer) => {
  const given = first(layer);
  // Keras 3 counts what is true.
  const x = given.dtype === 'bool' && layer.isOperation ? cast(layer, given, 'int32') : given;
  const dtype = typeArgument(layer, -1, x.dtype, 'dtype');
  if (!isWhole(x) && !x.dtype.startsWith('float'))
    throw unsupported(layer, `running sums of ${x.dtype}; cast it to int32 or float32 before`);
  if (dtype !== x.dtype) throw unsupported(layer, `sums of ${x.dtype} as ${dtype}; cast it before`);
  const axis = scalar(layer, integer(layer, 0, 1, 'axis'), 'int64');
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((key) => argument(layer, -1, key) === true);
  return layer.graph.node(
    'CumSum',
    [x, axis],
    { name: `${layer.name}/cumsum`, shape: x.shape },
    { exclusive: exclusive ? 1n : 0n, reverse: reverse ? 1n : 0n },
  );
};
