import { fused, type Operator, operand, option } from './operator.ts';
import { EvaluationError, type Tensor, tensorOf } from './tensor.ts';

const unary =
  (f: (v: number) => number): Operator =>
  (call) => {
    const x = operand(call, 0);
    return { shape: x.shape, data: x.data.map(f) };
  };

/** Element `i` of the result reads element `index[i]` of a value that is broadcast to `shape`. */
function positions(from: readonly number[], shape: readonly number[]): Int32Array {
  const offset = shape.length - from.length;
  const strides = shape.map(() => 0);
  let stride = 1;
  for (let axis = from.length - 1; axis >= 0; axis--) {
    if ((from[axis] as number) > 1) strides[axis + offset] = stride;
    stride *= from[axis] as number;
  }
  const result = new Int32Array(shape.reduce((a, b) => a * b, 1));
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < result.length; i++) {
    result[i] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      at += strides[axis] as number;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      at -= (strides[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return result;
}

export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new EvaluationError(`[${a}] and [${b}] do not go together`);
    return x === 1 ? y : x;
  });
}

/** A value repeated to a shape. */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  if (broadcastShape(x.shape, shape).join() !== shape.join()) {
    throw new EvaluationError(`[${x.shape}] does not become [${shape}]`);
  }
  const result = tensorOf(shape);
  const from = positions(x.shape, shape);
  for (let i = 0; i < result.data.length; i++) result.data[i] = x.data[from[i] as number] as number;
  return result;
}

const binary =
  (f: (a: number, b: number) => number): Operator =>
  (call) => {
    const [a, b] = [operand(call, 0), operand(call, 1)];
    const result = tensorOf(broadcastShape(a.shape, b.shape));
    const [left, right] = [positions(a.shape, result.shape), positions(b.shape, result.shape)];
    for (let i = 0; i < result.data.length; i++) {
      result.data[i] = f(a.data[left[i] as number] as number, b.data[right[i] as number] as number);
    }
    return fused(call, result);
  };

const select: Operator = (call) => {
  const [condition, a, b] = [operand(call, 0), operand(call, 1), operand(call, 2)];
  const shape = broadcastShape(condition.shape, broadcastShape(a.shape, b.shape));
  const [c, x, y] = [condition, a, b].map((value) => broadcastTo(value, shape)) as [Tensor, Tensor, Tensor];
  return { shape, data: c.data.map((chosen, i) => (chosen !== 0 ? x.data[i] : y.data[i]) as number) };
};

const leakyRelu: Operator = (call) => {
  const alpha = option(call, 'alpha');
  return unary((v) => (v >= 0 ? v : alpha * v))(call);
};

/** Abramowitz and Stegun 7.1.5 and, beyond 3, the continued fraction 7.1.14. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a > 3) {
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
    return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
  }
  let [term, sum] = [a, a];
  for (let n = 1; n < 200; n++) {
    term *= -(a * a) / n;
    sum += term / (2 * n + 1);
  }
  return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
}

const gelu: Operator = (call) =>
  unary(
    call.options['approximate'] === true
      ? (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
      : (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  )(call);

const logical = (f: (a: number, b: number) => boolean) => binary((a, b) => Number(f(a, b)));

/** Operators that look at one element at a time. */
export const elementwise = {
  ABS: unary(Math.abs),
  ADD: binary((a, b) => a + b),
  CAST: unary((v) => v),
  CEIL: unary(Math.ceil),
  COS: unary(Math.cos),
  DEQUANTIZE: unary((v) => v),
  DIV: binary((a, b) => a / b),
  ELU: unary((v) => (v > 0 ? v : Math.expm1(v))),
  EQUAL: logical((a, b) => a === b),
  EXP: unary(Math.exp),
  FLOOR: unary(Math.floor),
  GELU: gelu,
  GREATER: logical((a, b) => a > b),
  GREATER_EQUAL: logical((a, b) => a >= b),
  HARD_SWISH: unary((v) => (v * Math.min(Math.max(v + 3, 0), 6)) / 6),
  LEAKY_RELU: leakyRelu,
  LESS: logical((a, b) => a < b),
  LESS_EQUAL: logical((a, b) => a <= b),
  LOG: unary(Math.log),
  LOGICAL_AND: logical((a, b) => a !== 0 && b !== 0),
  LOGICAL_NOT: unary((v) => Number(v === 0)),
  LOGICAL_OR: logical((a, b) => a !== 0 || b !== 0),
  LOGISTIC: unary((v) => 1 / (1 + Math.exp(-v))),
  MAXIMUM: binary(Math.max),
  MINIMUM: binary(Math.min),
  MUL: binary((a, b) => a * b),
  NEG: unary((v) => -v),
  NOT_EQUAL: logical((a, b) => a !== b),
  POW: binary((a, b) => a ** b),
  PRELU: binary((x, alpha) => (x >= 0 ? x : alpha * x)),
  QUANTIZE: unary((v) => v),
  RELU: unary((v) => Math.max(v, 0)),
  RELU6: unary((v) => Math.min(Math.max(v, 0), 6)),
  RELU_N1_TO_1: unary((v) => Math.min(Math.max(v, -1), 1)),
  RSQRT: unary((v) => 1 / Math.sqrt(v)),
  SELECT_V2: select,
  SIN: unary(Math.sin),
  SQRT: unary(Math.sqrt),
  SQUARE: unary((v) => v * v),
  SQUARED_DIFFERENCE: binary((a, b) => (a - b) ** 2),
  SUB: binary((a, b) => a - b),
  TANH: unary(Math.tanh),
} as const satisfies Record<string, Operator>;
