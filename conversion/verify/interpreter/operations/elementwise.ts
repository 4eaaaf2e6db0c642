import { erf, functions, softmaxOver } from '../functions.ts';
import type { Evaluate } from '../layer-input.ts';
import { axisAt, map, type Tensor, zip } from '../tensor.ts';
import { arg, one, tensor, truth, two, whole } from './arguments.ts';

export const pairwise =
  (f: (a: number, b: number) => number): Evaluate =>
  (input) =>
    zip(...two(input), f);

export const pointwise =
  (f: (v: number) => number): Evaluate =>
  (input) =>
    map(one(input), f);

export const named =
  (name: string): Evaluate =>
  (input) =>
    (functions[name] as (x: Tensor, dialect: string) => Tensor)(one(input), input.dialect);

export const cast: Evaluate = (input) => {
  const dtype = String(arg(input, 1, 'dtype'));
  if (dtype.includes('bool')) return map(one(input), (v) => truth(v !== 0));
  if (dtype.includes('int')) return map(one(input), Math.trunc);
  // What has the type already is the same tensor, with its mask.
  return dtype.includes('float32') ? one(input) : map(one(input), (v) => v);
};

export const converted: Evaluate = (input) =>
  arg(input, 1, 'dtype') === undefined ? one(input) : cast(input);

export const where: Evaluate = (input) => {
  const condition = tensor(arg(input, 0, 'condition'));
  const [a, b] = [tensor(arg(input, 1, 'x', 'x1')), tensor(arg(input, 2, 'y', 'x2'))];
  const chosen = zip(condition, a, (c, v) => (c !== 0 ? v : 0));
  const other = zip(condition, b, (c, v) => (c !== 0 ? 0 : v));
  return zip(chosen, other, (p, q) => p + q);
};

export const clip: Evaluate = (input) => {
  const low = tensor(arg(input, 1, 'clip_value_min', 'x_min', 'min_value'));
  const high = tensor(arg(input, 2, 'clip_value_max', 'x_max', 'max_value'));
  return zip(zip(one(input), high, Math.min), low, Math.max);
};

export const softmaxOf =
  (f: (v: number) => number): Evaluate =>
  (input) => {
    const x = one(input);
    return map(softmaxOver(x, [axisAt(whole(input, -1, 1, 'axis'), x.shape.length)]), f);
  };

export const gelu: Evaluate = (input) => {
  const approximate = arg(input, -1, 'approximate') ?? !input.layer.class_name.endsWith('Lambda');
  const rough = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
  return map(one(input), approximate === true ? rough : (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)));
};

export const leaky: Evaluate = (input) => {
  const slope = Number(arg(input, -1, 'alpha', 'negative_slope') ?? 0.2);
  return map(one(input), (v) => (v > 0 ? v : slope * v));
};

export const roundHalfEven = (v: number) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

export const remainder = (a: number, b: number) => {
  const left = a % b;
  return left !== 0 && left < 0 !== b < 0 ? left + b : left;
};
