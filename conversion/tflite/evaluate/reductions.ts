import { type Call, type Operator, operand, option } from './operator.ts';
import { EvaluationError, type Tensor, tensorOf } from './tensor.ts';

/** Axes named by an operand, counted from the front. */
export function axesOf(axes: Tensor, rank: number): number[] {
  return Array.from(axes.data, (axis) => {
    const front = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(front) || front < 0 || front >= rank) {
      throw new EvaluationError(`axis ${axis} of ${rank} dimensions`);
    }
    return front;
  });
}

const reduce =
  (start: number, f: (sum: number, value: number) => number, finish = (sum: number, _count: number) => sum) =>
  (call: Call): Tensor => {
    const x = operand(call, 0);
    const axes = new Set(axesOf(operand(call, 1), x.shape.length));
    const kept = x.shape.map((size, axis) => (axes.has(axis) ? 1 : size));
    const result = tensorOf(kept);
    result.data.fill(start);
    const strides = kept.map((_, axis) =>
      axes.has(axis) ? 0 : kept.slice(axis + 1).reduce((a, b) => a * b, 1),
    );
    const index = kept.map(() => 0);
    let to = 0;
    for (let i = 0; i < x.data.length; i++) {
      result.data[to] = f(result.data[to] as number, x.data[i] as number);
      for (let axis = index.length - 1; axis >= 0; axis--) {
        index[axis] = (index[axis] as number) + 1;
        to += strides[axis] as number;
        if ((index[axis] as number) < (x.shape[axis] as number)) break;
        to -= (strides[axis] as number) * (x.shape[axis] as number);
        index[axis] = 0;
      }
    }
    const count = x.data.length / Math.max(result.data.length, 1);
    const shape = call.options['keepDims'] === true ? kept : kept.filter((_, axis) => !axes.has(axis));
    return { shape, data: result.data.map((sum) => finish(sum, count)) };
  };

/** Softmax over the last axis; `isLog` gives its logarithm. */
const softmax =
  (isLog: boolean): Operator =>
  (call) => {
    const x = operand(call, 0);
    const beta = isLog ? 1 : option(call, 'beta');
    const width = x.shape.at(-1) ?? 1;
    const data = x.data.map((v) => beta * v);
    for (let start = 0; start < data.length; start += width) {
      const row = data.subarray(start, start + width);
      const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const sum = row.reduce((total, v) => total + Math.exp(v - max), 0);
      for (let i = 0; i < row.length; i++) {
        const shifted = (row[i] as number) - max;
        row[i] = isLog ? shifted - Math.log(sum) : Math.exp(shifted) / sum;
      }
    }
    return { shape: x.shape, data };
  };

/** Operators that bring several elements together. */
export const reductions = {
  LOG_SOFTMAX: softmax(true),
  MEAN: reduce(
    0,
    (a, b) => a + b,
    (sum, count) => sum / count,
  ),
  REDUCE_ALL: reduce(1, (a, b) => Number(a !== 0 && b !== 0)),
  REDUCE_ANY: reduce(0, (a, b) => Number(a !== 0 || b !== 0)),
  REDUCE_MAX: reduce(Number.NEGATIVE_INFINITY, Math.max),
  REDUCE_MIN: reduce(Number.POSITIVE_INFINITY, Math.min),
  REDUCE_PROD: reduce(1, (a, b) => a * b),
  SOFTMAX: softmax(false),
  SUM: reduce(0, (a, b) => a + b),
} as const satisfies Record<string, Operator>;
