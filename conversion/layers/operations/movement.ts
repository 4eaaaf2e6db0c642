import type { SymbolicTensor } from '../../onnx/index.ts';
import { unsupported } from '../layer.ts';
import {
  axisOf,
  beforeStart,
  broadcast,
  cast,
  concat,
  repeated,
  reshape,
  scalar,
  slice,
  squeeze,
  transpose,
  unsqueeze,
} from '../shapes.ts';
import {
  argument,
  axesOf,
  first,
  integer,
  isTensor,
  type Operation,
  tensorArgument,
  tensorList,
} from './arguments.ts';

export const concatenate: Operation = (layer) => {
  const list = tensorList(layer);
  const axis = axisOf(integer(layer, 0, 1, 'axis'), (list[0] as SymbolicTensor).shape.length);
  return concat(layer, list, axis);
};

export const stack: Operation = (layer) => {
  const list = tensorList(layer);
  const rank = (list[0] as SymbolicTensor).shape.length + 1;
  const axis = axisOf(integer(layer, 0, 1, 'axis'), rank);
  return concat(
    layer,
    list.map((x) => unsqueeze(layer, x, [axis])),
    axis,
  );
};

/** Sizes of a shape argument: numbers, -1, or computed ones as int64 [1]. */
export const reshapeTo: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'shape', 'newshape');
  if (isTensor(value)) {
    const shape = Array.from({ length: Math.max(value.shape[0] ?? 0, 0) }, () => -1);
    return layer.graph.node('Reshape', [x, cast(layer, value, 'int64')], {
      name: `${layer.name}/reshape`,
      shape,
    });
  }
  if (!Array.isArray(value)) throw unsupported(layer, 'a shape that is not in the file');
  if (value.every((dim) => typeof dim === 'number' || dim === null)) {
    return reshape(
      layer,
      x,
      batchKept(
        x.shape,
        value.map((dim) => (typeof dim === 'number' ? dim : -1)),
      ),
    );
  }
  const parts = value.map((dim) =>
    isTensor(dim)
      ? reshape(layer, cast(layer, dim, 'int64'), [1])
      : layer.graph.int64s(`${layer.name}/size`, [Number(dim)]),
  );
  const target = layer.graph.node(
    'Concat',
    parts,
    { name: `${layer.name}/target`, shape: [parts.length] },
    { axis: 0n },
  );
  const shape = value.map((dim) => (typeof dim === 'number' ? dim : -1));
  return layer.graph.node('Reshape', [x, target], { name: `${layer.name}/reshape`, shape });
};

/** A target like [-1, a, b] keeps the batch where the rest has the size of a row. */
function batchKept(from: readonly number[], target: readonly number[]) {
  const known = (dims: readonly number[]) => dims.every((dim) => dim >= 0);
  const size = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
  const row = from.slice(1);
  const rest = target.slice(1);
  const same = target[0] === -1 && from[0] === -1 && known(row) && known(rest) && size(row) === size(rest);
  return same ? [{ copy: 0 }, ...rest] : target;
}

export const transposeOf: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'perm', 'axes');
  const perm = Array.isArray(value) ? value.map(Number) : x.shape.map((_, i) => x.shape.length - 1 - i);
  return transpose(
    layer,
    x,
    perm.map((axis) => axisOf(axis, perm.length)),
  );
};

export const swapAxes: Operation = (layer) => {
  const x = first(layer);
  const rank = x.shape.length;
  const [a, b] = [axisOf(integer(layer, 0, 1, 'axis1'), rank), axisOf(integer(layer, 0, 2, 'axis2'), rank)];
  // Keras hands the very tensor on, as the one operation besides casts.
  if (a === b && x.mask !== undefined)
    throw unsupported(layer, `axis ${a} of what is masked is swapped with itself; leave this call out`);
  return transpose(
    layer,
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
};

export const squeezeOf: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'axis');
  // NumPy takes none of them out, TensorFlow all.
  if (Array.isArray(value) && value.length === 0) throw unsupported(layer, 'axis is empty; name the axes');
  const axes =
    value === undefined
      ? x.shape.flatMap((dim, i) => (dim === 1 ? [i] : []))
      : (Array.isArray(value) ? value : [value]).map(Number);
  return axes.length === 0 ? x : squeeze(layer, x, axes);
};

export const expandDims: Operation = (layer) => {
  const value = argument(layer, 1, 'axis');
  return unsqueeze(layer, first(layer), (Array.isArray(value) ? value : [value ?? 0]).map(Number));
};

export const split: Operation = (layer) => {
  const x = tensorArgument(layer, 0, 'value', 'x');
  const parts = argument(layer, 1, 'num_or_size_splits', 'indices_or_sections');
  const axis = axisOf(integer(layer, 0, 2, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  if (size < 0) throw unsupported(layer, 'a split of an open size');
  let sizes: number[];
  if (typeof parts === 'number') sizes = Array.from({ length: parts }, () => size / parts);
  else if (Array.isArray(parts) && layer.isOperation) {
    const cuts = [0, ...parts.map(Number), size];
    sizes = cuts.slice(1).map((cut, i) => cut - (cuts[i] as number));
  } else if (Array.isArray(parts)) {
    const known = parts
      .map(Number)
      .filter((part) => part >= 0)
      .reduce((a, b) => a + b, 0);
    sizes = parts.map((part) => (Number(part) < 0 ? size - known : Number(part)));
  } else throw unsupported(layer, 'the parts of a split');
  if (sizes.some((part) => !Number.isInteger(part) || part < 0))
    throw unsupported(layer, `${size} cannot be split into [${sizes}]`);
  let start = 0;
  return sizes.map((part) => {
    const piece = slice(layer, x, [{ axis, start, end: start + part }]);
    start += part;
    return piece;
  });
};

export const unstack: Operation = (layer) => {
  const x = tensorArgument(layer, 0, 'value', 'x');
  const axis = axisOf(integer(layer, 0, -1, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  if (size < 0) throw unsupported(layer, 'an open size');
  return Array.from({ length: size }, (_, i) =>
    squeeze(layer, slice(layer, x, [{ axis, start: i, end: i + 1 }]), [axis]),
  );
};

export const tile: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'multiples', 'repeats');
  if (!Array.isArray(value) || value.length !== x.shape.length)
    throw unsupported(layer, 'the numbers of repeats');
  const repeats = value.map(Number);
  const shape = x.shape.map((dim, i) => (dim < 0 ? -1 : dim * (repeats[i] as number)));
  return layer.graph.node('Tile', [x, layer.graph.int64s(`${layer.name}/repeats`, repeats)], {
    name: `${layer.name}/tile`,
    shape,
  });
};

export const repeat: Operation = (layer) => {
  const x = first(layer);
  const times = integer(layer, 1, 1, 'repeats', 'rep');
  const axis = axisOf(integer(layer, 0, 2, 'axis'), x.shape.length);
  if ((x.shape[axis] as number) < 0) throw unsupported(layer, 'an open size');
  return repeated(layer, x, axis, times, 'indices');
};

export const flip: Operation = (layer) => {
  const x = first(layer);
  const ranges = axesOf(layer, x.shape.length).map((axis) => ({
    axis,
    start: -1,
    end: beforeStart,
    step: -1,
  }));
  return slice(layer, x, ranges);
};

export const pad: Operation = (layer) => {
  const x = tensorArgument(layer, 0, 'tensor', 'x');
  const value = argument(layer, 1, 'paddings', 'pad_width');
  const mode = String(argument(layer, -1, 'mode') ?? 'constant').toLowerCase();
  if (!Array.isArray(value) || mode !== 'constant') throw unsupported(layer, `padding in mode '${mode}'`);
  const pairs = value.map((entry) => [entry].flat().map(Number)).map((entry) => [entry[0], entry.at(-1)]) as [
    number,
    number,
  ][];
  const amounts = layer.graph.int64s(`${layer.name}/pads`, [
    ...pairs.map(([before]) => before),
    ...pairs.map(([, after]) => after),
  ]);
  const fill = scalar(layer, Number(argument(layer, -1, 'constant_values') ?? 0), x.dtype);
  const shape = x.shape.map((dim, i) => (dim < 0 ? -1 : dim + (pairs[i]?.[0] ?? 0) + (pairs[i]?.[1] ?? 0)));
  return layer.graph.node('Pad', [x, amounts, fill], { name: `${layer.name}/pad`, shape });
};

export const broadcastTo: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'shape');
  if (!Array.isArray(value) || value.some((dim) => typeof dim !== 'number'))
    throw unsupported(layer, 'a shape that is computed');
  const sizes = value.map((dim) => (Number(dim) < 0 ? 1 : Number(dim)));
  const shape = broadcast(x.shape, sizes);
  return layer.graph.node('Expand', [x, layer.graph.int64s(`${layer.name}/shape`, sizes)], {
    name: `${layer.name}/expand`,
    shape,
  });
};

/** Along each axis the last values come first. */
export const roll: Operation = (layer) => {
  const axes = argument(layer, 2, 'axis');
  if (axes === undefined) throw unsupported(layer, 'a roll of all values in a row; give an axis');
  const shifts = [argument(layer, 1, 'shift')].flat().map(Number);
  return [axes].flat().reduce<SymbolicTensor>((x, each, i) => {
    const axis = axisOf(Number(each), x.shape.length);
    const size = x.shape[axis] as number;
    if (size < 0) throw unsupported(layer, 'an open size');
    const by = (((shifts[i] as number) % size) + size) % size;
    if (by === 0) return x;
    const [end, start] = [
      slice(layer, x, [{ axis, start: size - by, end: size }]),
      slice(layer, x, [{ axis, start: 0, end: size - by }]),
    ];
    return concat(layer, [end, start], axis);
  }, first(layer));
};
