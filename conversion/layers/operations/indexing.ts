import { ellipsis, Slice } from '../../keras/graph.ts';
import { unsupported } from '../layer.ts';
import { axisOf, beforeStart, cast, elementwise, farEnd, slice, squeeze, unsqueeze } from '../shapes.ts';
import {
  argument,
  constantOf,
  first,
  integer,
  isTensor,
  type Operation,
  tensorArgument,
  typeArgument,
} from './arguments.ts';

/** `x[...]` with numbers, slices, `...` and new axes. */
export const getItem: Operation = (layer) => {
  const x = first(layer);
  const spec = argument(layer, 1, 'slice_spec', 'key', 'index');
  const entries = Array.isArray(spec) ? spec : [spec];
  const taken = entries.filter((entry) => entry !== null && entry !== undefined && entry !== ellipsis).length;
  const fill = x.shape.length - taken;
  const ranges: { axis: number; start: number; end: number; step: number }[] = [];
  const dropped: number[] = [];
  const added: number[] = [];
  let axis = 0;
  let out = 0;
  for (const entry of entries) {
    if (entry === ellipsis) {
      axis += fill;
      out += fill;
    } else if (entry === null || entry === undefined) added.push(out++);
    else if (typeof entry === 'number') {
      ranges.push({ axis, start: entry, end: entry === -1 ? farEnd : entry + 1, step: 1 });
      dropped.push(axis++);
    } else if (entry instanceof Slice) {
      const step = entry.step === null ? 1 : entry.step;
      const start = entry.start === null ? (Number(step) > 0 ? 0 : -1) : entry.start;
      const end = entry.stop === null ? (Number(step) > 0 ? farEnd : beforeStart) : entry.stop;
      if (typeof start !== 'number' || typeof end !== 'number' || typeof step !== 'number') {
        throw unsupported(layer, 'a slice whose ends are computed');
      }
      const whole = entry.start === null && entry.stop === null && step === 1;
      if (!whole) ranges.push({ axis, start, end, step });
      axis += 1;
      out += 1;
    } else throw unsupported(layer, 'an index that is computed');
  }
  let y = slice(layer, x, ranges);
  if (dropped.length > 0) y = squeeze(layer, y, dropped);
  return added.length > 0 ? unsqueeze(layer, y, added) : y;
};

export const gather: Operation = (layer) => {
  const x = tensorArgument(layer, 0, 'params', 'x');
  const value = argument(layer, 1, 'indices');
  const indices = isTensor(value) ? cast(layer, value, 'int64') : constantOf(layer, value, 'int64');
  const axis = axisOf(integer(layer, 0, 2, 'axis'), x.shape.length);
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return layer.graph.node(
    'Gather',
    [x, indices],
    { name: `${layer.name}/gather`, shape },
    { axis: BigInt(axis) },
  );
};

export const oneHot: Operation = (layer) => {
  const indices = cast(layer, tensorArgument(layer, 0, 'indices', 'x'), 'int64');
  const depth = integer(layer, 0, 1, 'depth', 'num_classes');
  const axis = integer(layer, -1, -1, 'axis');
  if (axis !== -1) throw unsupported(layer, 'another axis than the last');
  const places = constantOf(
    layer,
    Array.from({ length: depth }, (_, i) => i),
    'int64',
  );
  return cast(
    layer,
    elementwise(layer, 'Equal', [unsqueeze(layer, indices, [-1]), places], 'bool'),
    typeArgument(layer, -1, 'float32', 'dtype'),
  );
};
