import { ellipsis, Slice } from '../keras/graph.ts';
import { type DataType, dataTypes } from '../manifest/index.ts';
import type { SymbolicTensor } from '../onnx/index.ts';
import { applyNamed } from './activations.ts';
import { type LayerContext, type LayerConverter, unsupported } from './layer.ts';
import {
  axisOf,
  beforeStart,
  broadcast,
  cast,
  concat,
  elementwise,
  farEnd,
  matmul,
  reduce,
  reshape,
  scalar,
  shapeOf,
  slice,
  squeeze,
  transpose,
  unsqueeze,
} from './shapes.ts';

type Operation = (layer: LayerContext) => SymbolicTensor | readonly SymbolicTensor[];

const isTensor = (value: unknown): value is SymbolicTensor =>
  value !== null && typeof value === 'object' && 'dtype' in value && 'name' in value && 'shape' in value;

/** An argument by position or by one of its names; options of Keras 3's operations are in the config. */
function argument(layer: LayerContext, position: number, ...names: string[]): unknown {
  if (position >= 0 && layer.args[position] !== undefined) return layer.args[position];
  for (const name of names) {
    const value = layer.kwargs[name] ?? layer.config[name];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/** Nested numbers as a constant of the type of what they meet. */
function constantOf(layer: LayerContext, value: unknown, dtype: DataType): SymbolicTensor {
  if (typeof value === 'number' || typeof value === 'boolean') return scalar(layer, Number(value), dtype);
  if (!Array.isArray(value)) throw unsupported(layer, `the argument ${JSON.stringify(value)}`);
  const dims: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) dims.push(level.length);
  const flat = value.flat(dims.length) as number[];
  if (flat.some((item) => typeof item !== 'number' && typeof item !== 'boolean'))
    throw unsupported(layer, 'an argument that is not a number');
  const numbers = flat.map(Number);
  if (dtype === 'int64')
    return layer.graph.constant(`${layer.name}/value`, dtype, dims, BigInt64Array.from(numbers, BigInt));
  if (dtype === 'int32')
    return layer.graph.constant(`${layer.name}/value`, dtype, dims, Int32Array.from(numbers));
  if (dtype === 'bool')
    return layer.graph.constant(`${layer.name}/value`, dtype, dims, Uint8Array.from(numbers));
  return layer.graph.constant(`${layer.name}/value`, 'float32', dims, Float32Array.from(numbers));
}

function tensorArgument(layer: LayerContext, position: number, ...names: string[]): SymbolicTensor {
  const value = argument(layer, position, ...names);
  if (isTensor(value)) return value;
  if (value === undefined) throw unsupported(layer, `the argument '${names[0]}' is missing`);
  return constantOf(layer, value, 'float32');
}

const isWhole = (value: unknown): boolean =>
  Array.isArray(value) ? value.every(isWhole) : typeof value === 'boolean' || Number.isInteger(value);

/** Two operands in a common type: floating point wins, a plain number takes the other's. */
function pair(layer: LayerContext, a: unknown, b: unknown): [SymbolicTensor, SymbolicTensor] {
  const types = [a, b].filter(isTensor).map(({ dtype }) => dtype);
  const anyFloat =
    types.some((type) => type.startsWith('float')) || [a, b].some((v) => !isTensor(v) && !isWhole(v));
  const wide =
    types.find((type) => type === 'int64') ?? types.find((type) => type !== 'bool') ?? types[0] ?? 'float32';
  const dtype: DataType = anyFloat ? 'float32' : wide;
  const operand = (value: unknown) =>
    isTensor(value) ? cast(layer, value, dtype) : constantOf(layer, value, dtype);
  return [operand(a), operand(b)];
}

const twoOf = (layer: LayerContext) =>
  pair(layer, argument(layer, 0, 'x1', 'x', 'a'), argument(layer, 1, 'x2', 'y', 'b'));

const binary =
  (op: string, dtype?: DataType): Operation =>
  (layer) =>
    elementwise(layer, op, twoOf(layer), dtype);

const logical =
  (op: string): Operation =>
  (layer) =>
    elementwise(
      layer,
      op,
      twoOf(layer).map((x) => cast(layer, x, 'bool')),
      'bool',
    );

const floats = (layer: LayerContext, x: SymbolicTensor) =>
  x.dtype === 'float32' ? x : cast(layer, x, 'float32');
const first = (layer: LayerContext) =>
  tensorArgument(layer, 0, 'x', 'input', 'features', 'logits', 'inputs', 'a', 'input_tensor');

const divide: Operation = (layer) =>
  elementwise(
    layer,
    'Div',
    twoOf(layer).map((x) => floats(layer, x)),
  );

/** Python's: rounds towards minus infinity. */
const floorDivide: Operation = (layer) => {
  const [a, b] = twoOf(layer);
  const quotient = elementwise(layer, 'Floor', [
    elementwise(layer, 'Div', [floats(layer, a), floats(layer, b)]),
  ]);
  return cast(layer, quotient, a.dtype);
};

/** Python's: has the sign of the divisor. */
const modulo: Operation = (layer) => {
  const [a, b] = twoOf(layer).map((x) => floats(layer, x)) as [SymbolicTensor, SymbolicTensor];
  const quotient = elementwise(layer, 'Floor', [elementwise(layer, 'Div', [a, b])]);
  return elementwise(layer, 'Sub', [a, elementwise(layer, 'Mul', [quotient, b])]);
};

const unary =
  (op: string): Operation =>
  (layer) =>
    elementwise(layer, op, [floats(layer, first(layer))]);

const keeping =
  (op: string): Operation =>
  (layer) =>
    elementwise(layer, op, [first(layer)]);

const named =
  (name: string): Operation =>
  (layer) =>
    applyNamed(layer, name, floats(layer, first(layer)));

const chain = (layer: LayerContext, x: SymbolicTensor, ...ops: string[]) =>
  ops.reduce((y, op) => elementwise(layer, op, [y]), x);

function axesOf(layer: LayerContext, rank: number): number[] {
  const value = argument(layer, 1, 'axis', 'dim', 'reduction_indices');
  if (value === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (Array.isArray(value) ? value : [value]).map(Number);
  if (list.some((axis) => !Number.isInteger(axis))) throw unsupported(layer, 'an axis that is computed');
  return list.map((axis) => axisOf(axis, rank));
}

const keepDims = (layer: LayerContext) => argument(layer, -1, 'keepdims', 'keep_dims') === true;

const reduction =
  (op: string, toFloat = true): Operation =>
  (layer) => {
    const x = toFloat ? floats(layer, first(layer)) : first(layer);
    return reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer));
  };

const truth =
  (op: string): Operation =>
  (layer) => {
    const x = cast(layer, cast(layer, first(layer), 'bool'), 'float32');
    return cast(layer, reduce(layer, op, x, axesOf(layer, x.shape.length), keepDims(layer)), 'bool');
  };

const variance =
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

const argOf =
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

const tensorList = (layer: LayerContext): SymbolicTensor[] => {
  const value = argument(layer, 0, 'values', 'xs', 'x', 'arrays');
  const list = (Array.isArray(value) ? value : [value]).filter(isTensor);
  if (list.length === 0) throw unsupported(layer, 'a list of tensors is expected');
  const anyFloat = list.some(({ dtype }) => dtype.startsWith('float'));
  return list.map((x) => (anyFloat ? floats(layer, x) : x));
};

const integer = (layer: LayerContext, fallback: number, position: number, ...names: string[]): number => {
  const value = argument(layer, position, ...names) ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw unsupported(layer, `${names[0]} is not a whole number`);
  return value;
};

const concatenate: Operation = (layer) => {
  const list = tensorList(layer);
  const axis = axisOf(integer(layer, 0, 1, 'axis'), (list[0] as SymbolicTensor).shape.length);
  return concat(layer, list, axis);
};

const stack: Operation = (layer) => {
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
const reshapeTo: Operation = (layer) => {
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

const transposeOf: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'perm', 'axes');
  const perm = Array.isArray(value) ? value.map(Number) : x.shape.map((_, i) => x.shape.length - 1 - i);
  return transpose(
    layer,
    x,
    perm.map((axis) => axisOf(axis, perm.length)),
  );
};

const swapAxes: Operation = (layer) => {
  const x = first(layer);
  const rank = x.shape.length;
  const [a, b] = [axisOf(integer(layer, 0, 1, 'axis1'), rank), axisOf(integer(layer, 0, 2, 'axis2'), rank)];
  return transpose(
    layer,
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
};

const squeezeOf: Operation = (layer) => {
  const x = first(layer);
  const value = argument(layer, 1, 'axis');
  const axes =
    value === undefined
      ? x.shape.flatMap((dim, i) => (dim === 1 ? [i] : []))
      : (Array.isArray(value) ? value : [value]).map(Number);
  return axes.length === 0 ? x : squeeze(layer, x, axes);
};

const expandDims: Operation = (layer) => {
  const value = argument(layer, 1, 'axis');
  return unsqueeze(layer, first(layer), (Array.isArray(value) ? value : [value ?? 0]).map(Number));
};

const split: Operation = (layer) => {
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

const unstack: Operation = (layer) => {
  const x = tensorArgument(layer, 0, 'value', 'x');
  const axis = axisOf(integer(layer, 0, -1, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  if (size < 0) throw unsupported(layer, 'an open size');
  return Array.from({ length: size }, (_, i) =>
    squeeze(layer, slice(layer, x, [{ axis, start: i, end: i + 1 }]), [axis]),
  );
};

const tile: Operation = (layer) => {
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

const repeat: Operation = (layer) => {
  const x = first(layer);
  const times = integer(layer, 1, 1, 'repeats', 'rep');
  const axis = axisOf(integer(layer, 0, 2, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  if (size < 0) throw unsupported(layer, 'an open size');
  const indices = layer.graph.int64s(
    `${layer.name}/indices`,
    Array.from({ length: size * times }, (_, i) => Math.floor(i / times)),
  );
  const shape = x.shape.map((dim, i) => (i === axis ? size * times : dim));
  return layer.graph.node(
    'Gather',
    [x, indices],
    { name: `${layer.name}/repeat`, shape },
    { axis: BigInt(axis) },
  );
};

const flip: Operation = (layer) => {
  const x = first(layer);
  const ranges = axesOf(layer, x.shape.length).map((axis) => ({
    axis,
    start: -1,
    end: beforeStart,
    step: -1,
  }));
  return slice(layer, x, ranges);
};

const castTo: Operation = (layer) => {
  const value = String(argument(layer, 1, 'dtype'));
  const wanted = value.replace(/^.*'(\w+)'.*$/, '$1').replace(/^half$/, 'float32');
  const name = /^(b?float(16|64))$/.test(wanted) ? 'float32' : wanted;
  const dtype = dataTypes.find((known) => known === name);
  if (dtype === undefined || dtype === 'string') throw unsupported(layer, `the element type ${value}`);
  return cast(layer, first(layer), dtype);
};

/** `x[...]` with numbers, slices, `...` and new axes. */
const getItem: Operation = (layer) => {
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

const matmulOf: Operation = (layer) => {
  let [a, b] = twoOf(layer).map((x) => floats(layer, x)) as [SymbolicTensor, SymbolicTensor];
  if (argument(layer, -1, 'transpose_a') === true) a = transpose(layer, a, swapped(a.shape.length));
  if (argument(layer, -1, 'transpose_b') === true) b = transpose(layer, b, swapped(b.shape.length));
  if (Math.min(a.shape.length, b.shape.length) < 2) throw unsupported(layer, 'a vector as an operand');
  return matmul(layer, a, b);
};

const swapped = (rank: number) =>
  Array.from({ length: rank }, (_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));

const where: Operation = (layer) => {
  const condition = cast(layer, tensorArgument(layer, 0, 'condition'), 'bool');
  const [a, b] = pair(layer, argument(layer, 1, 'x', 'x1'), argument(layer, 2, 'y', 'x2'));
  return elementwise(layer, 'Where', [condition, a, b], a.dtype);
};

const clip: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const low = argument(layer, 1, 'clip_value_min', 'x_min', 'min_value');
  const high = argument(layer, 2, 'clip_value_max', 'x_max', 'max_value');
  const bounded = elementwise(layer, 'Max', [x, ...pair(layer, low, x).slice(0, 1)]);
  return elementwise(layer, 'Min', [bounded, ...pair(layer, high, x).slice(0, 1)]);
};

const pad: Operation = (layer) => {
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

const gather: Operation = (layer) => {
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

const oneHot: Operation = (layer) => {
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
    'float32',
  );
};

const einsum: Operation = (layer) => {
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

const like =
  (value: number): Operation =>
  (layer) => {
    const x = floats(layer, first(layer));
    return elementwise(layer, 'Add', [
      elementwise(layer, 'Mul', [x, scalar(layer, 0)]),
      scalar(layer, value),
    ]);
  };

const softmaxOf =
  (op: string): Operation =>
  (layer) => {
    const x = floats(layer, first(layer));
    const axis = integer(layer, -1, 1, 'axis');
    return layer.graph.node(
      op,
      [x],
      { name: `${layer.name}/softmax`, shape: x.shape },
      { axis: BigInt(axis) },
    );
  };

const leaky: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const alpha = Number(argument(layer, -1, 'alpha', 'negative_slope') ?? 0.2);
  return layer.graph.node('LeakyRelu', [x], { name: `${layer.name}/leaky`, shape: x.shape }, { alpha });
};

const gelu: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const isKeras3 = layer.isOperation;
  const approximate = argument(layer, -1, 'approximate') ?? isKeras3;
  const attributes = approximate === true ? { approximate: 'tanh' } : {};
  return layer.graph.node('Gelu', [x], { name: `${layer.name}/gelu`, shape: x.shape }, attributes);
};

const relu: Operation = (layer) => {
  const given = ['alpha', 'negative_slope', 'max_value', 'threshold'].find(
    (key) => Number(layer.kwargs[key] ?? 0) !== 0,
  );
  if (given !== undefined) throw unsupported(layer, `relu with ${given}`);
  return named('relu')(layer);
};

const normalize: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const axes = axesOf(layer, x.shape.length);
  const sum = reduce(layer, 'ReduceSum', elementwise(layer, 'Mul', [x, x]), axes, true);
  const least = scalar(layer, Number(argument(layer, -1, 'epsilon') ?? 1e-12));
  if (layer.isOperation && Number(argument(layer, -1, 'order') ?? 2) !== 2)
    throw unsupported(layer, 'another norm than 2');
  const length = layer.isOperation
    ? elementwise(layer, 'Max', [elementwise(layer, 'Sqrt', [sum]), least])
    : elementwise(layer, 'Sqrt', [elementwise(layer, 'Max', [sum, least])]);
  return elementwise(layer, 'Div', [x, length]);
};

const broadcastTo: Operation = (layer) => {
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

const cumulative: Operation = (layer) => {
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

const squaredDifference: Operation = (layer) => {
  const difference = elementwise(layer, 'Sub', twoOf(layer));
  return elementwise(layer, 'Mul', [difference, difference]);
};

const square: Operation = (layer) => {
  const x = first(layer);
  return elementwise(layer, 'Mul', [x, x]);
};

const notEqual: Operation = (layer) =>
  elementwise(layer, 'Not', [elementwise(layer, 'Equal', twoOf(layer), 'bool')], 'bool');

const roundHalfEven = keeping('Round');

/** Raw operations by one name: Keras 3's class in snake case, TensorFlow's function without its module. */
export const operations = {
  abs: keeping('Abs'),
  absolute: keeping('Abs'),
  acos: unary('Acos'),
  acosh: unary('Acosh'),
  add: binary('Add'),
  all: truth('ReduceMin'),
  amax: reduction('ReduceMax'),
  amin: reduction('ReduceMin'),
  any: truth('ReduceMax'),
  arccos: unary('Acos'),
  arccosh: unary('Acosh'),
  arcsin: unary('Asin'),
  arcsinh: unary('Asinh'),
  arctan: unary('Atan'),
  arctanh: unary('Atanh'),
  argmax: argOf('ArgMax'),
  argmin: argOf('ArgMin'),
  asin: unary('Asin'),
  asinh: unary('Asinh'),
  atan: unary('Atan'),
  atanh: unary('Atanh'),
  broadcast_to: broadcastTo,
  cast: castTo,
  ceil: unary('Ceil'),
  clip,
  clip_by_value: clip,
  concat: concatenate,
  concatenate,
  cos: unary('Cos'),
  cosh: unary('Cosh'),
  cumsum: cumulative,
  divide,
  einsum,
  elu: named('elu'),
  equal: binary('Equal', 'bool'),
  erf: unary('Erf'),
  exp: unary('Exp'),
  expand_dims: expandDims,
  expm1: (layer) =>
    elementwise(layer, 'Sub', [chain(layer, floats(layer, first(layer)), 'Exp'), scalar(layer, 1)]),
  flip,
  floor: unary('Floor'),
  floor_div: floorDivide,
  floor_divide: floorDivide,
  floordiv: floorDivide,
  floormod: modulo,
  gather,
  gelu,
  get_item: getItem,
  getitem: getItem,
  greater: binary('Greater', 'bool'),
  greater_equal: binary('GreaterOrEqual', 'bool'),
  hard_sigmoid: named('hard_sigmoid'),
  hard_silu: named('hard_silu'),
  identity: first,
  l2_normalize: normalize,
  leaky_relu: leaky,
  less: binary('Less', 'bool'),
  less_equal: binary('LessOrEqual', 'bool'),
  log: unary('Log'),
  log1p: (layer) =>
    elementwise(layer, 'Log', [elementwise(layer, 'Add', [floats(layer, first(layer)), scalar(layer, 1)])]),
  log_softmax: softmaxOf('LogSoftmax'),
  logical_and: logical('And'),
  logical_not: (layer) => elementwise(layer, 'Not', [cast(layer, first(layer), 'bool')], 'bool'),
  logical_or: logical('Or'),
  logical_xor: logical('Xor'),
  logsumexp: reduction('ReduceLogSumExp'),
  matmul: matmulOf,
  max: reduction('ReduceMax'),
  maximum: binary('Max'),
  mean: reduction('ReduceMean'),
  min: reduction('ReduceMin'),
  minimum: binary('Min'),
  mod: modulo,
  multiply: binary('Mul'),
  neg: keeping('Neg'),
  negative: keeping('Neg'),
  normalize,
  not_equal: notEqual,
  one_hot: oneHot,
  ones_like: like(1),
  pad,
  pow: binary('Pow'),
  power: binary('Pow'),
  prod: reduction('ReduceProd'),
  reciprocal: unary('Reciprocal'),
  reduce_all: truth('ReduceMin'),
  reduce_any: truth('ReduceMax'),
  reduce_logsumexp: reduction('ReduceLogSumExp'),
  reduce_max: reduction('ReduceMax'),
  reduce_mean: reduction('ReduceMean'),
  reduce_min: reduction('ReduceMin'),
  reduce_prod: reduction('ReduceProd'),
  reduce_std: variance(true),
  reduce_sum: reduction('ReduceSum'),
  reduce_variance: variance(false),
  relu,
  relu6: named('relu6'),
  repeat,
  reshape: reshapeTo,
  reverse: flip,
  round: roundHalfEven,
  rsqrt: (layer) => chain(layer, floats(layer, first(layer)), 'Sqrt', 'Reciprocal'),
  selu: named('selu'),
  shape: (layer) => shapeOf(layer, first(layer)),
  sigmoid: named('sigmoid'),
  sign: unary('Sign'),
  silu: named('silu'),
  sin: unary('Sin'),
  sinh: unary('Sinh'),
  softmax: softmaxOf('Softmax'),
  softplus: named('softplus'),
  softsign: named('softsign'),
  split,
  sqrt: unary('Sqrt'),
  square,
  squared_difference: squaredDifference,
  squeeze: squeezeOf,
  stack,
  std: variance(true),
  stop_gradient: first,
  strided_slice: getItem,
  sub: binary('Sub'),
  subtract: binary('Sub'),
  sum: reduction('ReduceSum'),
  swapaxes: swapAxes,
  swish: named('silu'),
  take: gather,
  tan: unary('Tan'),
  tanh: named('tanh'),
  tile,
  transpose: transposeOf,
  true_divide: divide,
  truediv: divide,
  unstack,
  var: variance(false),
  where,
  zeros_like: like(0),
} as const satisfies Record<string, Operation>;

/** The row's name for an operation as the file names it. */
export function operationName(layer: {
  className: string;
  config: Readonly<Record<string, unknown>>;
}): string {
  const name =
    layer.className === 'TFOpLambda' || layer.className === 'SlicingOpLambda'
      ? String(layer.config['function']).split('.').at(-1)!
      : layer.className.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
  return name.replace(/_v2$/, '');
}

/** A raw operation: Keras 3's `keras.ops`, Keras 2's TFOpLambda and SlicingOpLambda. */
export const operation: LayerConverter = (layer) => {
  const name = operationName(layer);
  if (!Object.hasOwn(operations, name))
    throw unsupported(layer, `there is no converter for the operation '${name}'`);
  const convert: Operation = operations[name as keyof typeof operations];
  return convert(layer);
};
