import { unsupported } from '../layer.ts';
import { axisOf, cast, elementwise, reduce, scalar } from '../shapes.ts';
import { argument, axesOf, first, floats, integer, keepDims, type Operation } from './arguments.ts';

export const reduction =
  (op: string, toFloat = true): Operation =>
  (layer) => {
    const x = toFloat ? floats(layer, first(layer)) : first(layer);
    return reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer));
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
    const x = floats(layer, first(layer));
    const value = argument(layer, 1, 'axis');
    if (typeof value !== 'number') throw unsupported(layer, 'an axis must be given');
    const axis = axisOf(value, x.shape.length);
    const keep = keepDims(layer);
    const shape = x.shape.flatMap((dim, i) => (i === axis ? (keep ? [1] : []) : [dim]));
    return layer.graph.node(
      op,
      [x],
      { name: `${layer.name}/${op.toLowerCase()}`, shape, dtype: 'int64' },
      { axis: BigInt(axis), keepdims: keep ? 1n : 0n },
    );
  };

export const cumulative: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const axis = scalar(layer, integer(layer, 0, 1, 'axis'), 'int64');
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((key) => argument(layer, -1, key) === true);
  return layer.graph.node(
    'CumSum',
    [x, axis],
    { name: `${layer.name}/cumsum`, shape: x.shape },
    { exclusive: exclusive ? 1n : 0n, reverse: reverse ? 1n : 0n },
  );
};
