import { fold, map, mapRows, rectified, sum, type Tensor, zip } from './tensor.ts';

/** Error function by its Maclaurin series and, beyond 3, its continued fraction: about 1e-15. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 200; n++) {
      term *= -(a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const clip = (v: number, low: number, high: number) => Math.min(Math.max(v, low), high);
const softplus = (v: number) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

function softmaxRow(row: Float64Array): void {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    row[i] = Math.exp((row[i] as number) - max);
    sum += row[i] as number;
  }
  for (let i = 0; i < row.length; i++) row[i] = (row[i] as number) / sum;
}

export const softmax = (x: Tensor): Tensor => mapRows(x, softmaxRow);

/** Softmax over any axes together. */
export function softmaxOver(x: Tensor, axes: readonly number[]): Tensor {
  const top = fold(x, axes, true, Number.NEGATIVE_INFINITY, Math.max);
  const powers = zip(x, top, (a, b) => Math.exp(a - b));
  return zip(powers, sum(powers, axes, true), (a, b) => a / b);
}

/** x - log(sum(exp(x))) along the last axis. */
function logSoftmax(x: Tensor): Tensor {
  const top = fold(x, [-1], true, Number.NEGATIVE_INFINITY, Math.max);
  const centered = zip(x, top, (a, b) => a - b);
  return zip(centered, map(sum(map(centered, Math.exp), [-1], true), Math.log), (a, b) => a - b);
}

const pointwise = (f: (v: number) => number) => (x: Tensor) => map(x, f);

/**
 * Keras's activations as their formulas, written from the documentation and apart from layers/.
 * `memory` is for those that have a use for it: as large as `x`, and may be its own.
 */
export const functions: Record<string, (x: Tensor, dialect: string, memory?: Float64Array) => Tensor> = {
  celu: pointwise((v) => (v > 0 ? v : Math.expm1(v))),
  elu: pointwise((v) => (v > 0 ? v : Math.expm1(v))),
  exponential: pointwise(Math.exp),
  gelu: pointwise((v) => 0.5 * v * (1 + erf(v / Math.SQRT2))),
  hard_sigmoid: (x, dialect) =>
    map(x, (v) => clip(dialect === 'keras-3' ? v / 6 + 0.5 : 0.2 * v + 0.5, 0, 1)),
  hard_silu: pointwise((v) => v * clip(v / 6 + 0.5, 0, 1)),
  hard_swish: pointwise((v) => v * clip(v / 6 + 0.5, 0, 1)),
  hard_shrink: pointwise((v) => (Math.abs(v) > 0.5 ? v : 0)),
  hard_tanh: pointwise((v) => clip(v, -1, 1)),
  leaky_relu: pointwise((v) => (v >= 0 ? v : 0.2 * v)),
  linear: (x) => x,
  log_sigmoid: pointwise((v) => -softplus(-v)),
  log_softmax: (x) => logSoftmax(x),
  mish: pointwise((v) => v * Math.tanh(softplus(v))),
  relu: (x, _dialect, memory) => rectified(x, Number.POSITIVE_INFINITY, memory),
  relu6: (x, _dialect, memory) => rectified(x, 6, memory),
  selu: pointwise((v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v))),
  sigmoid: pointwise(sigmoid),
  silu: pointwise((v) => v * sigmoid(v)),
  softmax,
  soft_shrink: pointwise((v) => Math.sign(v) * Math.max(Math.abs(v) - 0.5, 0)),
  softplus: pointwise(softplus),
  softsign: pointwise((v) => v / (1 + Math.abs(v))),
  sparse_plus: pointwise((v) => (v <= -1 ? 0 : v >= 1 ? v : ((v + 1) * (v + 1)) / 4)),
  sparse_sigmoid: pointwise((v) => clip((v + 1) / 2, 0, 1)),
  squareplus: pointwise((v) => (v + Math.sqrt(v * v + 4)) / 2),
  swish: pointwise((v) => v * sigmoid(v)),
  tanh: pointwise(Math.tanh),
  tanh_shrink: pointwise((v) => v - Math.tanh(v)),
};
