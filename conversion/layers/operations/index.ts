import type { SymbolicTensor } from '../../onnx/index.ts';
import { type LayerConverter, unsupported } from '../layer.ts';
import { cast, elementwise, scalar, shapeOf } from '../shapes.ts';
import { first, floats, type Operation } from './arguments.ts';
import {
  binary,
  castTo,
  chain,
  clip,
  converted,
  divide,
  floorDivide,
  gelu,
  keeping,
  leaky,
  like,
  logical,
  modulo,
  named,
  notEqual,
  relu,
  roundHalfEven,
  softmaxOf,
  square,
  squaredDifference,
  unary,
  where,
} from './elementwise.ts';
import { resize } from './images.ts';
import { gather, getItem, oneHot } from './indexing.ts';
import {
  broadcastTo,
  concatenate,
  expandDims,
  flip,
  pad,
  repeat,
  reshapeTo,
  roll,
  split,
  squeezeOf,
  stack,
  swapAxes,
  tile,
  transposeOf,
  unstack,
} from './movement.ts';
import { norm, normalize } from './norms.ts';
import { argsort, sort, topK } from './ordering.ts';
import { einsum, matmulOf } from './products.ts';
import { argOf, cumulative, extreme, mean, reduction, total, truth, variance } from './reductions.ts';

/** Raw operations by one name: Keras 3's class in snake case, TensorFlow's function without its module. */
export const operations = {
  abs: keeping('Abs'),
  absolute: keeping('Abs'),
  acos: unary('Acos'),
  acosh: unary('Acosh'),
  add: binary('Add'),
  all: truth('ReduceMin'),
  amax: extreme('ReduceMax'),
  amin: extreme('ReduceMin'),
  any: truth('ReduceMax'),
  arccos: unary('Acos'),
  arccosh: unary('Acosh'),
  arcsin: unary('Asin'),
  arcsinh: unary('Asinh'),
  arctan: unary('Atan'),
  arctanh: unary('Atanh'),
  argmax: argOf('ArgMax'),
  argmin: argOf('ArgMin'),
  argsort,
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
  convert_to_tensor: converted,
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
  max: extreme('ReduceMax'),
  maximum: binary('Max'),
  mean,
  min: extreme('ReduceMin'),
  minimum: binary('Min'),
  mod: modulo,
  multiply: binary('Mul'),
  neg: keeping('Neg'),
  negative: keeping('Neg'),
  norm,
  normalize,
  not_equal: notEqual,
  one_hot: oneHot,
  ones_like: like(1),
  pad,
  pow: binary('Pow'),
  power: binary('Pow'),
  prod: total('ReduceProd'),
  reciprocal: unary('Reciprocal'),
  reduce_all: truth('ReduceMin'),
  reduce_any: truth('ReduceMax'),
  reduce_logsumexp: reduction('ReduceLogSumExp'),
  reduce_max: extreme('ReduceMax'),
  reduce_mean: mean,
  reduce_min: extreme('ReduceMin'),
  reduce_prod: total('ReduceProd'),
  reduce_std: variance(true),
  reduce_sum: total('ReduceSum'),
  reduce_variance: variance(false),
  relu,
  relu6: named('relu6'),
  repeat,
  reshape: reshapeTo,
  resize,
  reverse: flip,
  roll,
  round: roundHalfEven,
  rsqrt: (layer) => chain(layer, floats(layer, first(layer)), 'Sqrt', 'Reciprocal'),
  selu: named('selu'),
  shape: (layer) => shapeOf(layer, first(layer)),
  sigmoid: named('sigmoid'),
  sign: keeping('Sign'),
  silu: named('silu'),
  sin: unary('Sin'),
  sinh: unary('Sinh'),
  softmax: softmaxOf('Softmax'),
  softplus: named('softplus'),
  softsign: named('softsign'),
  sort,
  split,
  sqrt: unary('Sqrt'),
  square,
  squared_difference: squaredDifference,
  squeeze: squeezeOf,
  stack,
  std: variance(true),
  stop_gradient: first,
  sub: binary('Sub'),
  subtract: binary('Sub'),
  sum: total('ReduceSum'),
  swapaxes: swapAxes,
  swish: named('silu'),
  take: gather,
  tan: unary('Tan'),
  tanh: named('tanh'),
  tile,
  top_k: topK,
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

/** What hands on its very tensor where that has the type already, and its mask with it; whatever else is computed has none. */
const returning = new Set(['cast', 'convert_to_tensor']);
const unmasked = ({ mask, ...tensor }: SymbolicTensor): SymbolicTensor => tensor;

/** A raw operation: Keras 3's `keras.ops`, Keras 2's TFOpLambda and SlicingOpLambda. */
export const operation: LayerConverter = (layer) => {
  const name = operationName(layer);
  if (!Object.hasOwn(operations, name))
    throw unsupported(layer, `there is no converter for the operation '${name}'`);
  const convert: Operation = operations[name as keyof typeof operations];
  const made = [convert(layer)].flat() as SymbolicTensor[];
  return returning.has(name) ? made : made.map(unmasked);
};
