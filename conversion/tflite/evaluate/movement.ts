import { countOf } from '../ir.ts';
import { broadcastTo } from './elementwise.ts';
import { type Call, fused, type Operator, operand, option } from './operator.ts';
import { axesOf } from './reductions.ts';
import { EvaluationError, type Tensor, tensorOf } from './tensor.ts';

/** A value of the given shape whose element at `index` is read from where `from` says; -1 is the fill value. */
function gathered(
  shape: readonly number[],
  from: (index: readonly number[]) => number,
  x: Tensor,
  fill = 0,
): Tensor {
  const result = tensorOf(shape);
  const index = shape.map(() => 0);
  for (let i = 0; i < result.data.length; i++) {
    const at = from(index);
    result.data[i] = at < 0 ? fill : (x.data[at] as number);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
  return result;
}

const stridesOf = (shape: readonly number[]) => shape.map((_, axis) => countOf(shape.slice(axis + 1)));

/** Position of a coordinate, -1 where it is outside. */
function positionOf(shape: readonly number[]): (coordinate: readonly number[]) => number {
  const strides = stridesOf(shape);
  return (coordinate) => {
    let at = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const c = coordinate[axis] as number;
      if (c < 0 || c >= (shape[axis] as number)) return -1;
      at += c * (strides[axis] as number);
    }
    return at;
  };
}

const reshape: Operator = (call) => {
  const x = operand(call, 0);
  const wanted =
    call.inputs[1] === undefined ? (call.options['newShape'] as number[]) : Array.from(operand(call, 1).data);
  const known = wanted.filter((size) => size >= 0).reduce((a, b) => a * b, 1);
  const shape = wanted.map((size) => (size < 0 ? x.data.length / known : size));
  return tensorOf(shape, x.data);
};

const transpose: Operator = (call) => {
  const x = operand(call, 0);
  const order = axesOf(operand(call, 1), x.shape.length);
  const strides = stridesOf(x.shape);
  const shape = order.map((axis) => x.shape[axis] as number);
  const steps = order.map((axis) => strides[axis] as number);
  return gathered(shape, (index) => index.reduce((sum, c, axis) => sum + c * (steps[axis] as number), 0), x);
};

/** Puts values side by side along an axis. */
function concatenated(values: readonly Tensor[], axis: number): Tensor {
  const first = values[0] as Tensor;
  const inner = countOf(first.shape.slice(axis + 1));
  const outer = countOf(first.shape.slice(0, axis));
  const sizes = values.map((value) => value.shape[axis] as number);
  const total = sizes.reduce((a, b) => a + b, 0);
  const result = tensorOf(first.shape.map((size, i) => (i === axis ? total : size)));
  let start = 0;
  values.forEach((value, v) => {
    const width = (sizes[v] as number) * inner;
    if (value.data.length !== outer * width)
      throw new EvaluationError('CONCATENATION of values that do not fit');
    for (let o = 0; o < outer; o++) {
      result.data.set(value.data.subarray(o * width, (o + 1) * width), o * total * inner + start);
    }
    start += width;
  });
  return result;
}

const frontAxis = (call: Call, rank: number) => {
  const axis = option(call, 'axis');
  return axesOf({ shape: [1], data: Float64Array.of(axis) }, rank)[0] as number;
};

const concatenation: Operator = (call) => {
  const values = call.inputs.map((_, i) => operand(call, i));
  return fused(call, concatenated(values, frontAxis(call, operand(call, 0).shape.length)));
};

const pack: Operator = (call) => {
  const values = call.inputs.map((_, i) => operand(call, i));
  const axis = frontAxis(call, operand(call, 0).shape.length + 1);
  const widened = values.map((value) => ({
    shape: [...value.shape.slice(0, axis), 1, ...value.shape.slice(axis)],
    data: value.data,
  }));
  return concatenated(widened, axis);
};

/** A range of every axis. */
function sliced(
  x: Tensor,
  begin: readonly number[],
  shape: readonly number[],
  step: readonly number[],
): Tensor {
  const at = positionOf(x.shape);
  return gathered(
    shape,
    (index) => {
      const position = at(index.map((c, axis) => (begin[axis] as number) + c * (step[axis] as number)));
      if (position < 0) throw new EvaluationError('a slice reaches outside its value');
      return position;
    },
    x,
  );
}

const unpack: Operator = (call) => {
  const x = operand(call, 0);
  const axis = frontAxis(call, x.shape.length);
  return Array.from({ length: x.shape[axis] as number }, (_, i) => {
    const one = sliced(
      x,
      x.shape.map((_size, a) => (a === axis ? i : 0)),
      x.shape.map((size, a) => (a === axis ? 1 : size)),
      x.shape.map(() => 1),
    );
    return { shape: x.shape.filter((_size, a) => a !== axis), data: one.data };
  });
};

const split: Operator = (call) => {
  const x = operand(call, 1);
  const axis = axesOf(operand(call, 0), x.shape.length)[0] as number;
  const width = (x.shape[axis] as number) / call.outputs;
  return Array.from({ length: call.outputs }, (_, i) =>
    sliced(
      x,
      x.shape.map((_size, a) => (a === axis ? i * width : 0)),
      x.shape.map((size, a) => (a === axis ? width : size)),
      x.shape.map(() => 1),
    ),
  );
};

const slice: Operator = (call) => {
  const x = operand(call, 0);
  const begin = Array.from(operand(call, 1).data);
  const size = Array.from(operand(call, 2).data, (wanted, axis) =>
    wanted < 0 ? (x.shape[axis] as number) - (begin[axis] as number) : wanted,
  );
  return sliced(
    x,
    begin,
    size,
    size.map(() => 1),
  );
};

const stridedSlice: Operator = (call) => {
  const x = operand(call, 0);
  const [begins, ends, steps] = [1, 2, 3].map((i) => operand(call, i).data) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const [beginMask, endMask, shrink] = ['beginMask', 'endMask', 'shrinkAxisMask'].map((name) =>
    option(call, name),
  ) as [number, number, number];
  if (option(call, 'ellipsisMask') !== 0 || option(call, 'newAxisMask') !== 0) {
    throw new EvaluationError('STRIDED_SLICE with ellipsis or new axes');
  }
  const axes = x.shape.map((size, axis) => {
    const step = steps[axis] ?? 1;
    if (step === 0) throw new EvaluationError('STRIDED_SLICE with a step of 0');
    const front = (v: number) => (v < 0 ? v + size : v);
    const clip = (v: number) =>
      step > 0 ? Math.min(Math.max(v, 0), size) : Math.min(Math.max(v, -1), size - 1);
    const isWhole = axis >= begins.length;
    if ((shrink >> axis) & 1) return { begin: front(begins[axis] as number), step: 1, size: 1 };
    const begin =
      isWhole || (beginMask >> axis) & 1 ? (step > 0 ? 0 : size - 1) : clip(front(begins[axis] as number));
    const end = isWhole || (endMask >> axis) & 1 ? (step > 0 ? size : -1) : clip(front(ends[axis] as number));
    return { begin, step, size: Math.max(0, Math.ceil((end - begin) / step)) };
  });
  const result = sliced(
    x,
    axes.map((axis) => axis.begin),
    axes.map((axis) => axis.size),
    axes.map((axis) => axis.step),
  );
  return { shape: result.shape.filter((_, axis) => !((shrink >> axis) & 1)), data: result.data };
};

const pad: Operator = (call) => {
  const x = operand(call, 0);
  const paddings = operand(call, 1).data;
  const fill = call.inputs[2]?.data[0] ?? 0;
  const shape = x.shape.map(
    (size, axis) => size + (paddings[2 * axis] as number) + (paddings[2 * axis + 1] as number),
  );
  const at = positionOf(x.shape);
  return gathered(shape, (index) => at(index.map((c, axis) => c - (paddings[2 * axis] as number))), x, fill);
};

/** `table[indices]` along an axis. */
const gather: Operator = (call) => {
  const [table, indices] = [operand(call, 0), operand(call, 1)];
  const axis = frontAxis(call, table.shape.length);
  if (option(call, 'batchDims') !== 0) throw new EvaluationError('GATHER with batch dimensions');
  const rank = indices.shape.length;
  const [at, index] = [positionOf(table.shape), positionOf(indices.shape)];
  const shape = [...table.shape.slice(0, axis), ...indices.shape, ...table.shape.slice(axis + 1)];
  return gathered(
    shape,
    (c) => {
      const chosen = indices.data[index(c.slice(axis, axis + rank))] as number;
      const position = at([...c.slice(0, axis), chosen, ...c.slice(axis + rank)]);
      if (position < 0) throw new EvaluationError(`GATHER of index ${chosen}`);
      return position;
    },
    table,
  );
};

const tile: Operator = (call) => {
  const x = operand(call, 0);
  const at = positionOf(x.shape);
  const shape = x.shape.map((size, axis) => size * (operand(call, 1).data[axis] ?? 1));
  return gathered(shape, (index) => at(index.map((c, axis) => c % (x.shape[axis] as number))), x);
};

const reverse: Operator = (call) => {
  const x = operand(call, 0);
  const axes = new Set(axesOf(operand(call, 1), x.shape.length));
  const at = positionOf(x.shape);
  return gathered(
    x.shape,
    (index) => at(index.map((c, a) => (axes.has(a) ? (x.shape[a] as number) - 1 - c : c))),
    x,
  );
};

const expandDims: Operator = (call) => {
  const x = operand(call, 0);
  const axis = axesOf(operand(call, 1), x.shape.length + 1)[0] as number;
  return tensorOf([...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)], x.data);
};

const squeeze: Operator = (call) => {
  const x = operand(call, 0);
  const wanted = (call.options['squeezeDims'] ?? []) as number[];
  const axes = new Set(wanted.map((axis) => (axis < 0 ? axis + x.shape.length : axis)));
  const shape = x.shape.filter((size, axis) => (wanted.length === 0 ? size !== 1 : !axes.has(axis)));
  return tensorOf(shape, x.data);
};

const shapeOf: Operator = (call) => {
  const { shape } = operand(call, 0);
  return { shape: [shape.length], data: Float64Array.from(shape) };
};

const fill: Operator = (call) => {
  const result = tensorOf(Array.from(operand(call, 0).data));
  result.data.fill(operand(call, 1).data[0] as number);
  return result;
};

/** Operators that move elements and compute nothing. */
export const movement = {
  BROADCAST_TO: (call) => broadcastTo(operand(call, 0), Array.from(operand(call, 1).data)),
  CONCATENATION: concatenation,
  EXPAND_DIMS: expandDims,
  FILL: fill,
  GATHER: gather,
  PACK: pack,
  PAD: pad,
  PADV2: pad,
  RESHAPE: reshape,
  REVERSE_V2: reverse,
  SHAPE: shapeOf,
  SLICE: slice,
  SPLIT: split,
  SQUEEZE: squeeze,
  STRIDED_SLICE: stridedSlice,
  TILE: tile,
  TRANSPOSE: transpose,
  UNPACK: unpack,
} as const satisfies Record<string, Operator>;
