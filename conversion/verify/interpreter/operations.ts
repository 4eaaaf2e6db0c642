import { ellipsis, Slice } from '../../keras/graph.ts';
import type { LayerConfig } from '../../keras/model.ts';
import { einsum } from './attention.ts';
import { erf, functions, softmaxOver } from './functions.ts';
import { type Evaluate, isTensor, type LayerInput } from './layer-input.ts';
import {
  axisAt,
  cut,
  filled,
  fold,
  generate,
  get,
  joined,
  map,
  mean,
  permute,
  picked,
  product,
  reshaped,
  sum,
  type Tensor,
  variance,
  zip,
} from './tensor.ts';

/** An argument by place or name, or the operation's own option. */
function arg({ args, kwargs, layer }: LayerInput, place: number, ...names: string[]): unknown {
  if (place >= 0 && args[place] !== undefined) return args[place];
  return names
    .map((name) => kwargs[name] ?? layer.config[name])
    .find((value) => value !== undefined && value !== null);
}

/** Numbers, however nested, as a tensor. */
function tensor(value: unknown): Tensor {
  if (isTensor(value)) return value;
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat = (Array.isArray(value) ? value.flat(shape.length) : [value]).map(Number);
  if (flat.some(Number.isNaN)) throw new Error(`the reference cannot take ${JSON.stringify(value)}`);
  return { shape, data: Float64Array.from(flat), whole: flat.every(Number.isInteger) };
}

const one = (input: LayerInput) =>
  tensor(
    arg(
      input,
      0,
      'x',
      'input',
      'features',
      'logits',
      'inputs',
      'a',
      'input_tensor',
      'value',
      'tensor',
      'params',
      'condition',
      'indices',
    ),
  );
const two = (input: LayerInput) =>
  [tensor(arg(input, 0, 'x1', 'x', 'a')), tensor(arg(input, 1, 'x2', 'y', 'b'))] as const;

const pairwise =
  (f: (a: number, b: number) => number): Evaluate =>
  (input) =>
    zip(...two(input), f);
const pointwise =
  (f: (v: number) => number): Evaluate =>
  (input) =>
    map(one(input), f);
const named =
  (name: string): Evaluate =>
  (input) =>
    (functions[name] as (x: Tensor, dialect: string) => Tensor)(one(input), input.dialect);

const truth = (value: boolean) => (value ? 1 : 0);

function axes(input: LayerInput, rank: number): number[] {
  const value = arg(input, 1, 'axis', 'dim', 'reduction_indices');
  if (value === undefined) return Array.from({ length: rank }, (_, i) => i);
  return [value].flat().map((axis) => axisAt(Number(axis), rank));
}
const keep = (input: LayerInput) => arg(input, -1, 'keepdims', 'keep_dims') === true;

const folded =
  (start: number, f: (a: number, b: number) => number): Evaluate =>
  (input) => {
    const x = one(input);
    return fold(x, axes(input, x.shape.length), keep(input), start, f);
  };

const over =
  (f: (x: Tensor, axes: number[], keep: boolean) => Tensor): Evaluate =>
  (input) => {
    const x = one(input);
    return f(x, axes(input, x.shape.length), keep(input));
  };

const best =
  (isBetter: (a: number, b: number) => boolean): Evaluate =>
  (input) => {
    const x = one(input);
    const axis = axisAt(Number(arg(input, 1, 'axis')), x.shape.length);
    const shape = x.shape.map((dim, i) => (i === axis ? 1 : dim));
    const winners = generate(shape, (at) => {
      let winner = 0;
      const place = [...at];
      const read = (i: number) => {
        place[axis] = i;
        return get(x, place);
      };
      for (let i = 1; i < (x.shape[axis] as number); i++) if (isBetter(read(i), read(winner))) winner = i;
      return winner;
    });
    return keep(input)
      ? winners
      : reshaped(
          winners,
          shape.filter((_, i) => i !== axis),
        );
  };

const list = (input: LayerInput) => [arg(input, 0, 'values', 'xs', 'x', 'arrays')].flat().filter(isTensor);
const whole = (input: LayerInput, fallback: number, place: number, ...names: string[]) =>
  Number(arg(input, place, ...names) ?? fallback);

const stack: Evaluate = (input) => {
  const parts = list(input);
  const rank = (parts[0] as Tensor).shape.length + 1;
  const axis = axisAt(whole(input, 0, 1, 'axis'), rank);
  const shape = [...(parts[0] as Tensor).shape];
  shape.splice(axis, 0, 1);
  return joined(
    parts.map((part) => reshaped(part, shape)),
    axis,
  );
};

const reshape: Evaluate = (input) => {
  const target = arg(input, 1, 'shape', 'newshape');
  const sizes = isTensor(target)
    ? [...target.data]
    : (target as unknown[]).map((dim) => (isTensor(dim) ? (dim.data[0] as number) : Number(dim ?? -1)));
  return reshaped(one(input), sizes);
};

const transpose: Evaluate = (input) => {
  const x = one(input);
  const perm = arg(input, 1, 'perm', 'axes') as number[] | undefined;
  return permute(
    x,
    (perm ?? x.shape.map((_, i) => -1 - i)).map((axis) => axisAt(axis, x.shape.length)),
  );
};

const swapAxes: Evaluate = (input) => {
  const x = one(input);
  const [a, b] = [whole(input, 0, 1, 'axis1'), whole(input, 0, 2, 'axis2')].map((axis) =>
    axisAt(axis, x.shape.length),
  ) as [number, number];
  return permute(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
};

const squeeze: Evaluate = (input) => {
  const x = one(input);
  const value = arg(input, 1, 'axis');
  const gone =
    value === undefined ? undefined : [value].flat().map((axis) => axisAt(Number(axis), x.shape.length));
  return reshaped(
    x,
    x.shape.filter((dim, i) => (gone === undefined ? dim !== 1 : !gone.includes(i))),
  );
};

const expand: Evaluate = (input) => {
  const x = one(input);
  const wanted = [arg(input, 1, 'axis') ?? 0].flat().map(Number);
  const rank = x.shape.length + wanted.length;
  const at = wanted.map((axis) => axisAt(axis, rank));
  const rest = [...x.shape];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : (rest.shift() as number))),
  );
};

const split: Evaluate = (input) => {
  const x = one(input);
  const parts = arg(input, 1, 'num_or_size_splits', 'indices_or_sections');
  const axis = axisAt(whole(input, 0, 2, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  const isKeras2 = input.layer.class_name.endsWith('Lambda');
  let cuts: number[];
  if (typeof parts === 'number') cuts = Array.from({ length: parts + 1 }, (_, i) => (i * size) / parts);
  else if (!isKeras2) cuts = [0, ...(parts as number[]), size];
  else {
    const given = (parts as number[]).map(Number);
    const open = size - given.filter((v) => v >= 0).reduce((a, b) => a + b, 0);
    cuts = [0];
    for (const part of given) cuts.push((cuts.at(-1) as number) + (part < 0 ? open : part));
  }
  return cuts.slice(1).map((end, i) => cut(x, axis, cuts[i] as number, end));
};

const unstack: Evaluate = (input) => {
  const x = one(input);
  const axis = axisAt(whole(input, 0, -1, 'axis'), x.shape.length);
  const rest = x.shape.filter((_, i) => i !== axis);
  return Array.from({ length: x.shape[axis] as number }, (_, i) => reshaped(cut(x, axis, i, i + 1), rest));
};

const tile: Evaluate = (input) => {
  const repeats = arg(input, 1, 'multiples', 'repeats') as number[];
  let x = one(input);
  repeats.forEach((times, axis) => {
    const size = x.shape[axis] as number;
    x = picked(
      x,
      axis,
      Array.from({ length: size * times }, (_, i) => i % size),
    );
  });
  return x;
};

const repeat: Evaluate = (input) => {
  const x = one(input);
  const times = whole(input, 1, 1, 'repeats', 'rep');
  const axis = axisAt(whole(input, 0, 2, 'axis'), x.shape.length);
  return picked(
    x,
    axis,
    Array.from({ length: (x.shape[axis] as number) * times }, (_, i) => Math.floor(i / times)),
  );
};

const flip: Evaluate = (input) =>
  axes(input, one(input).shape.length).reduce((x, axis) => {
    const size = x.shape[axis] as number;
    return picked(
      x,
      axis,
      Array.from({ length: size }, (_, i) => size - 1 - i),
    );
  }, one(input));

const cast: Evaluate = (input) => {
  const dtype = String(arg(input, 1, 'dtype'));
  if (dtype.includes('bool')) return map(one(input), (v) => truth(v !== 0));
  return dtype.includes('int')
    ? { ...map(one(input), Math.trunc), whole: true }
    : { ...one(input), whole: false };
};

/** Python's own rules for `x[start:stop:step]`. */
function places(slice: Slice, size: number): number[] {
  const step = Number(slice.step ?? 1);
  const bound = (value: unknown, fallback: number, low: number, high: number) => {
    if (value === null) return fallback;
    const at = Number(value);
    return Math.min(Math.max(at < 0 ? at + size : at, low), high);
  };
  const found: number[] = [];
  if (step > 0)
    for (let i = bound(slice.start, 0, 0, size); i < bound(slice.stop, size, 0, size); i += step)
      found.push(i);
  else
    for (
      let i = bound(slice.start, size - 1, -1, size - 1);
      i > bound(slice.stop, -1, -1, size - 1);
      i += step
    )
      found.push(i);
  return found;
}

const getItem: Evaluate = (input) => {
  let x = one(input);
  const entries = [arg(input, 1, 'slice_spec', 'key', 'index')].flat();
  const taken = entries.filter((entry) => typeof entry === 'number' || entry instanceof Slice).length;
  const shape: number[] = [];
  let axis = 0;
  for (const entry of entries) {
    if (entry === ellipsis) {
      const skipped = x.shape.length - taken;
      shape.push(...x.shape.slice(axis, axis + skipped));
      axis += skipped;
    } else if (typeof entry === 'number') {
      x = picked(x, axis, [axisAt(entry, x.shape[axis] as number)]);
      axis += 1;
    } else if (entry instanceof Slice) {
      x = picked(x, axis, places(entry, x.shape[axis] as number));
      shape.push(x.shape[axis] as number);
      axis += 1;
    } else shape.push(1);
  }
  return reshaped(x, [...shape, ...x.shape.slice(axis)]);
};

const matmul: Evaluate = (input) => {
  const turned = (x: Tensor, key: string) => {
    if (arg(input, -1, key) !== true) return x;
    const rank = x.shape.length;
    return permute(
      x,
      x.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
    );
  };
  const [a, b] = two(input);
  return product(turned(a, 'transpose_a'), turned(b, 'transpose_b'));
};

const where: Evaluate = (input) => {
  const condition = tensor(arg(input, 0, 'condition'));
  const [a, b] = [tensor(arg(input, 1, 'x', 'x1')), tensor(arg(input, 2, 'y', 'x2'))];
  const chosen = zip(condition, a, (c, v) => (c !== 0 ? v : 0));
  const other = zip(condition, b, (c, v) => (c !== 0 ? 0 : v));
  return zip(chosen, other, (p, q) => p + q);
};

const clip: Evaluate = (input) => {
  const low = tensor(arg(input, 1, 'clip_value_min', 'x_min', 'min_value'));
  const high = tensor(arg(input, 2, 'clip_value_max', 'x_max', 'max_value'));
  return zip(zip(one(input), low, Math.max), high, Math.min);
};

const pad: Evaluate = (input) => {
  const x = one(input);
  const pairs = (arg(input, 1, 'paddings', 'pad_width') as unknown[]).map((pair) =>
    [pair].flat().map(Number),
  );
  const fill = Number(arg(input, -1, 'constant_values') ?? 0);
  const before = pairs.map((pair) => pair[0] as number);
  const shape = x.shape.map((dim, i) => dim + (before[i] as number) + (pairs[i]?.at(-1) as number));
  return generate(shape, (at) => {
    const from = at.map((v, i) => v - (before[i] as number));
    return from.every((v, i) => v >= 0 && v < (x.shape[i] as number)) ? get(x, from) : fill;
  });
};

const gather: Evaluate = (input) => {
  const x = one(input);
  const indices = tensor(arg(input, 1, 'indices'));
  const axis = axisAt(whole(input, 0, 2, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  const flat = picked(
    x,
    axis,
    Array.from(indices.data, (i) => axisAt(i, size)),
  );
  return reshaped(flat, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
};

const oneHot: Evaluate = (input) => {
  const x = one(input);
  const depth = whole(input, 0, 1, 'depth', 'num_classes');
  return generate([...x.shape, depth], (at) => truth(get(x, at.slice(0, -1)) === at.at(-1)));
};

const normalize: Evaluate = (input) => {
  const x = one(input);
  const squares = sum(
    map(x, (v) => v * v),
    axes(input, x.shape.length),
    true,
  );
  const least = Number(arg(input, -1, 'epsilon') ?? 1e-12);
  const isKeras2 = input.layer.class_name.endsWith('Lambda');
  const length = map(squares, (v) =>
    isKeras2 ? Math.sqrt(Math.max(v, least)) : Math.max(Math.sqrt(v), least),
  );
  return zip(x, length, (a, b) => a / b);
};

const softmaxOf =
  (f: (v: number) => number): Evaluate =>
  (input) => {
    const x = one(input);
    return map(softmaxOver(x, [axisAt(whole(input, -1, 1, 'axis'), x.shape.length)]), f);
  };

const gelu: Evaluate = (input) => {
  const approximate = arg(input, -1, 'approximate') ?? !input.layer.class_name.endsWith('Lambda');
  const rough = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
  return map(one(input), approximate === true ? rough : (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)));
};

const leaky: Evaluate = (input) => {
  const slope = Number(arg(input, -1, 'alpha', 'negative_slope') ?? 0.2);
  return map(one(input), (v) => (v > 0 ? v : slope * v));
};

const cumulative: Evaluate = (input) => {
  const x = one(input);
  const axis = axisAt(whole(input, 0, 1, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  const [exclusive, reverse] = [arg(input, -1, 'exclusive') === true, arg(input, -1, 'reverse') === true];
  return generate(x.shape, (at) => {
    const here = at[axis] as number;
    const counts = (i: number) => (reverse ? i >= here : i <= here) && !(exclusive && i === here);
    return Array.from({ length: size }, (_, i) =>
      counts(i)
        ? get(
            x,
            at.map((v, a) => (a === axis ? i : v)),
          )
        : 0,
    ).reduce((a, b) => a + b, 0);
  });
};

const roundHalfEven = (v: number) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));
const remainder = (a: number, b: number) => a - Math.floor(a / b) * b;
const logSumExp = (x: Tensor, at: number[], keeps: boolean) => {
  const top = fold(x, at, true, Number.NEGATIVE_INFINITY, Math.max);
  const rest = map(
    sum(
      zip(x, top, (a, b) => Math.exp(a - b)),
      at,
      true,
    ),
    Math.log,
  );
  const y = zip(rest, top, (a, b) => a + b);
  return keeps
    ? y
    : reshaped(
        y,
        x.shape.filter((_, i) => !at.includes(i)),
      );
};
const all = folded(1, (a, b) => truth(a !== 0 && b !== 0));
const any = folded(0, (a, b) => truth(a !== 0 || b !== 0));
const maximum = folded(Number.NEGATIVE_INFINITY, Math.max);
const minimum = folded(Number.POSITIVE_INFINITY, Math.min);
const multiplied = folded(1, (a, b) => a * b);
const deviation = over((x, at, keeps) => map(variance(x, at, keeps), Math.sqrt));

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
  reverse: flip,
  round: pointwise(roundHalfEven),
  rsqrt: pointwise((v) => 1 / Math.sqrt(v)),
  selu: named('selu'),
  shape: (input) => ({
    shape: [one(input).shape.length],
    data: Float64Array.from(one(input).shape),
    whole: true,
  }),
  sigmoid: named('sigmoid'),
  sign: pointwise(Math.sign),
  silu: named('silu'),
  sin: pointwise(Math.sin),
  sinh: pointwise(Math.sinh),
  softmax: softmaxOf((v) => v),
  softplus: named('softplus'),
  softsign: named('softsign'),
  split,
  sqrt: pointwise(Math.sqrt),
  square: pointwise((v) => v * v),
  squared_difference: pairwise((a, b) => (a - b) ** 2),
  squeeze,
  stack,
  std: deviation,
  stop_gradient: one,
  strided_slice: getItem,
  sub: pairwise((a, b) => a - b),
  subtract: pairwise((a, b) => a - b),
  sum: over(sum),
  swapaxes: swapAxes,
  swish: named('silu'),
  take: gather,
  tan: pointwise(Math.tan),
  tanh: named('tanh'),
  tile,
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

/** A raw operation. */
export const operation: Evaluate = (input) => {
  const name = nameOf(input.layer);
  const run = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (run === undefined) throw new Error(`the reference does not know the operation '${name}'`);
  return run(input);
};
