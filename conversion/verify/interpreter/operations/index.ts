import type { LayerConfig } from '../../../keras/model.ts';
import { einsum } from '../einsum.ts';
import { erf } from '../functions.ts';
import { type Evaluate, isTensor } from '../layer-input.ts';
import { resizedInShape } from '../resizing.ts';
import { filled, joined, mean, sum, type Tensor, variance, zip } from '../tensor.ts';
import { arg, list, one, truth, whole } from './arguments.ts';
import {
  cast,
  clip,
  converted,
  gelu,
  leaky,
  named,
  pairwise,
  pointwise,
  remainder,
  roundHalfEven,
  softmaxOf,
  where,
} from './elementwise.ts';
import { gather, getItem, matmul, oneHot } from './indexing.ts';
import {
  expand,
  flip,
  pad,
  repeat,
  reshape,
  roll,
  split,
  squeeze,
  stack,
  swapAxes,
  tile,
  transpose,
  unstack,
} from './movement.ts';
import { argsort, sort, topK } from './ordering.ts';
import {
  all,
  any,
  best,
  cumulative,
  deviation,
  logSumExp,
  maximum,
  minimum,
  multiplied,
  norm,
  normalize,
  over,
} from './reductions.ts';

/** Raw operations by the last part of their name in snake case. */
const operations: Record<string, Evaluate> = {
  abs: pointwise(Math.abs),
  absolute: pointwise(Math.abs),
  acos: pointwise(Math.acos),
  acosh: pointwise(Math.acosh),
  add: pairwise((a, b) => a + b),
  all,
  amax: maximum,
  amin: minimum,
  any,
  arccos: pointwise(Math.acos),
  arccosh: pointwise(Math.acosh),
  arcsin: pointwise(Math.asin),
  arcsinh: pointwise(Math.asinh),
  arctan: pointwise(Math.atan),
  arctanh: pointwise(Math.atanh),
  argmax: best((a, b) => a > b),
  argmin: best((a, b) => a < b),
  argsort,
  asin: pointwise(Math.asin),
  asinh: pointwise(Math.asinh),
  atan: pointwise(Math.atan),
  atanh: pointwise(Math.atanh),
  broadcast_to: (input) =>
    zip(
      one(input),
      filled(
        (arg(input, 1, 'shape') as number[]).map((dim) => (dim < 0 ? 1 : dim)),
        0,
      ),
      (a, b) => a + b,
    ),
  cast,
  ceil: pointwise(Math.ceil),
  clip,
  clip_by_value: clip,
  concat: (input) => joined(list(input), whole(input, 0, 1, 'axis')),
  concatenate: (input) => joined(list(input), whole(input, 0, 1, 'axis')),
  convert_to_tensor: converted,
  cos: pointwise(Math.cos),
  cosh: pointwise(Math.cosh),
  cumsum: cumulative,
  divide: pairwise((a, b) => a / b),
  einsum: (input) =>
    einsum(String(arg(input, typeof input.args[0] === 'string' ? 0 : -1, 'equation', 'subscripts')), [
      ...input.inputs,
      ...Object.values(input.kwargs).flat().filter(isTensor),
    ]),
  elu: named('elu'),
  equal: pairwise((a, b) => truth(a === b)),
  erf: pointwise(erf),
  exp: pointwise(Math.exp),
  expand_dims: expand,
  expm1: pointwise(Math.expm1),
  flip,
  floor: pointwise(Math.floor),
  floor_div: pairwise((a, b) => Math.floor(a / b)),
  floor_divide: pairwise((a, b) => Math.floor(a / b)),
  floordiv: pairwise((a, b) => Math.floor(a / b)),
  floormod: pairwise(remainder),
  gather,
  gelu,
  get_item: getItem,
  getitem: getItem,
  greater: pairwise((a, b) => truth(a > b)),
  greater_equal: pairwise((a, b) => truth(a >= b)),
  hard_sigmoid: named('hard_sigmoid'),
  hard_silu: named('hard_silu'),
  identity: one,
  l2_normalize: normalize,
  leaky_relu: leaky,
  less: pairwise((a, b) => truth(a < b)),
  less_equal: pairwise((a, b) => truth(a <= b)),
  log: pointwise(Math.log),
  log1p: pointwise(Math.log1p),
  log_softmax: softmaxOf(Math.log),
  logical_and: pairwise((a, b) => truth(a !== 0 && b !== 0)),
  logical_not: pointwise((v) => truth(v === 0)),
  logical_or: pairwise((a, b) => truth(a !== 0 || b !== 0)),
  logical_xor: pairwise((a, b) => truth((a !== 0) !== (b !== 0))),
  logsumexp: over(logSumExp),
  matmul,
  max: maximum,
  maximum: pairwise(Math.max),
  mean: over(mean),
  min: minimum,
  minimum: pairwise(Math.min),
  mod: pairwise(remainder),
  multiply: pairwise((a, b) => a * b),
  neg: pointwise((v) => -v),
  negative: pointwise((v) => -v),
  norm,
  normalize,
  not_equal: pairwise((a, b) => truth(a !== b)),
  one_hot: oneHot,
  ones_like: pointwise(() => 1),
  pad,
  pow: pairwise((a, b) => a ** b),
  power: pairwise((a, b) => a ** b),
  prod: multiplied,
  reciprocal: pointwise((v) => 1 / v),
  reduce_all: all,
  reduce_any: any,
  reduce_logsumexp: over(logSumExp),
  reduce_max: maximum,
  reduce_mean: over(mean),
  reduce_min: minimum,
  reduce_prod: multiplied,
  reduce_std: deviation,
  reduce_sum: over(sum),
  reduce_variance: over(variance),
  relu: named('relu'),
  relu6: named('relu6'),
  repeat,
  reshape,
  resize: (input) => {
    const size = (arg(input, 1, 'size') as unknown[]).map(Number) as [number, number];
    return resizedInShape(input, one(input), size, (key) => arg(input, -1, key));
  },
  reverse: flip,
  roll,
  round: pointwise(roundHalfEven),
  rsqrt: pointwise((v) => 1 / Math.sqrt(v)),
  selu: named('selu'),
  shape: (input) => ({
    shape: [one(input).shape.length],
    data: Float64Array.from(one(input).shape),
  }),
  sigmoid: named('sigmoid'),
  sign: pointwise(Math.sign),
  silu: named('silu'),
  sin: pointwise(Math.sin),
  sinh: pointwise(Math.sinh),
  softmax: softmaxOf((v) => v),
  softplus: named('softplus'),
  softsign: named('softsign'),
  sort,
  split,
  sqrt: pointwise(Math.sqrt),
  square: pointwise((v) => v * v),
  squared_difference: pairwise((a, b) => (a - b) ** 2),
  squeeze,
  stack,
  std: deviation,
  stop_gradient: one,
  sub: pairwise((a, b) => a - b),
  subtract: pairwise((a, b) => a - b),
  sum: over(sum),
  swapaxes: swapAxes,
  swish: named('silu'),
  take: gather,
  tan: pointwise(Math.tan),
  tanh: named('tanh'),
  tile,
  top_k: topK,
  transpose,
  true_divide: pairwise((a, b) => a / b),
  truediv: pairwise((a, b) => a / b),
  unstack,
  var: over(variance),
  where,
  zeros_like: pointwise(() => 0),
};

/** Keras 2: the last part of `math.add`; Keras 3: the class in snake case. */
function nameOf(layer: LayerConfig): string {
  const given = layer.config['function'];
  if (typeof given === 'string') return (given.split('.').pop() as string).replace(/_v2$/, '');
  return [...layer.class_name]
    .map((letter, i, word) =>
      i > 0 && /[A-Z]/.test(letter) && /[a-z0-9]/.test(word[i - 1] as string) ? `_${letter}` : letter,
    )
    .join('')
    .toLowerCase();
}

/** Whether there is a raw operation of the layer's name. */
export const knowsOperation = (layer: LayerConfig): boolean => Object.hasOwn(operations, nameOf(layer));

/** TensorFlow may hand these on as they are, with Keras's mask on them; whatever else it computes is a new tensor. */
const returning = new Set(['cast', 'convert_to_tensor']);

/** A raw operation. */
export const operation: Evaluate = (input) => {
  const name = nameOf(input.layer);
  const run = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (run === undefined) throw new Error(`the reference does not know the operation '${name}'`);
  const results = [run(input)].flat() as Tensor[];
  return returning.has(name) ? results : results.map(({ shape, data }) => ({ shape, data }));
};
