import { unsupported } from '../layer.ts';
import { axisOf, cast, elementwise, reduce, scalar } from '../shapes.ts';
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
  typeArgument,
} from './arguments.ts';

/** Of floats. */
export const reduction =
  (op: string): Operation =>
  (layer) => {
    const x = floats(layer, first(layer));
    return reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer));
  };

/** Sums and products of what they are given, whole numbers as such. */
export const total =
  (op: string): Operation =>
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
    // Of int32 the runtime's sums stop at the largest number, where TensorFlow's run over.
    const x = cast(layer, given, 'int64');
    const y = reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer));
    return cast(layer, y, given.dtype === 'int64' ? 'int64' : 'int32');
  };

/** The largest or smallest, of the type that is given. */
export const extreme =
  (op: string): Operation =>
  (layer) => {
    const given = first(layer);
    const isShort = !isWhole(given) && !given.dtype.startsWith('float');
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
  (op: string): Operation =>
  (layer) => {
    const given = first(layer);
    // The runtime takes no int64 here.
    const x =
      given.dtype === 'int64'
        ? cast(layer, given, 'float64')
        : given.dtype === 'int32'
          ? given
          : floats(layer, given);
    const value = argument(layer, 1, 'axis');
    if (typeof value !== 'number') throw unsupported(layer, 'an axis must be given');
    const axis = axisOf(value, x.shape.length);
    const keep = keepDims(layer);
    const shape = x.shape.flatMap((dim, i) => (i === axis ? (keep ? [1] : []) : [dim]));
    const places = layer.graph.node(
      op,
      [x],
      { name: `${layer.name}/${op.toLowerCase()}`, shape, dtype: 'int64' },
      { axis: BigInt(axis), keepdims: keep ? 1n : 0n },
    );
    return cast(layer, places, layer.isOperation ? 'int32' : typeArgument(layer, 2, 'int64', 'output_type'));
  };

export const cumulative: Operation = (layer) => {
  const given = first(layer);
  const x = numbers(layer, given);
  const dtype = typeArgument(layer, -1, x.dtype, 'dtype');
  if (dtype !== given.dtype) throw unsupported(layer, `sums of ${given.dtype} as ${dtype}; cast it before`);
  const axis = scalar(layer, integer(layer, 0, 1, 'axis'), 'int64');
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((key) => argument(layer, -1, key) === true);
  return layer.graph.node(
    'CumSum',
    [x, axis],
    { name: `${layer.name}/cumsum`, shape: x.shape },
    { exclusive: exclusive ? 1n : 0n, reverse: reverse ? 1n : 0n },
  );
};
