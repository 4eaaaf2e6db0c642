import {
  type Evaluate,
  first,
  flag,
  type LayerInput,
  memoryLike,
  number,
  optional,
  variable,
} from './layer-input.ts';
import { axisAt, map, mean, reshaped, sizeOf, sum, type Tensor, variance, zip } from './tensor.ts';

/** Length 1 along some axes: Keras 2 bounds the square of the length, Keras 3 the length. */
export function unit(x: Tensor, axes: readonly number[], dialect: string): Tensor {
  const squares = sum(
    map(x, (v) => v * v),
    axes,
    true,
  );
  const length = map(squares, (v) =>
    dialect === 'keras-3' ? Math.max(Math.sqrt(v), 1e-12) : Math.sqrt(Math.max(v, 1e-12)),
  );
  return zip(x, length, (a, b) => a / b);
}

/** Takes the variable to the axes that it is for. */
function along(x: Tensor, v: Tensor, axes: readonly number[]): Tensor {
  return reshaped(
    v,
    x.shape.map((dim, i) => (axes.includes(i) ? dim : 1)),
  );
}

export const axesOf = (input: LayerInput, rank: number) =>
  [input.layer.config['axis'] ?? -1]
    .flat()
    .map((axis) => axisAt(Number(axis), rank))
    .sort((a, b) => a - b);

function scaledAndShifted(input: LayerInput, y: Tensor, axes: readonly number[]): Tensor {
  const [gamma, beta] = [optional(input, 'gamma'), optional(input, 'beta')];
  const scaled =
    gamma === undefined || !flag(input, 'scale', true) ? y : zip(y, along(y, gamma, axes), (a, b) => a * b);
  return beta === undefined || !flag(input, 'center', true)
    ? scaled
    : zip(scaled, along(y, beta, axes), (a, b) => a + b);
}

function standardized(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centered = zip(x, mean(x, axes, true), (a, b) => a - b);
  return zip(centered, variance(x, axes, true), (a, b) => a / Math.sqrt(b + epsilon));
}

export const layerNormalization: Evaluate = (input) => {
  const x = first(input);
  const axes = axesOf(input, x.shape.length);
  return scaledAndShifted(input, standardized(x, axes, number(input, ['epsilon'], 1e-3)), axes);
};

export const rmsNormalization: Evaluate = (input) => {
  const x = first(input);
  const axes = axesOf(input, x.shape.length);
  const squares = mean(
    map(x, (v) => v * v),
    axes,
    true,
  );
  const y = zip(x, squares, (a, b) => a / Math.sqrt(b + number(input, ['epsilon'], 1e-6)));
  return zip(y, along(x, variable(input, 'scale'), axes), (a, b) => a * b);
};

export const groupNormalization: Evaluate = (input) => {
  const x = first(input);
  const rank = x.shape.length;
  const axis = axisAt(number(input, ['axis'], -1), rank);
  const channels = x.shape[axis] as number;
  const wanted = number(input, ['groups'], 32);
  const groups = wanted === -1 ? channels : wanted;
  const shape = x.shape.flatMap((dim, i) => (i === axis ? [groups, channels / groups] : [dim]));
  const axes = shape.map((_, i) => i).filter((i) => i !== 0 && i !== axis);
  const plain = { shape: x.shape, data: x.data };
  const y = reshaped(standardized(reshaped(plain, shape), axes, number(input, ['epsilon'], 1e-3)), x.shape);
  return scaledAndShifted(input, y, [axis]);
};

const list = (value: unknown) => [value].flat(8).map(Number);

const vector = (values: readonly number[]): Tensor => ({
  shape: values.length === 1 ? [] : [values.length],
  data: Float64Array.from(values),
});

export const rescaling: Evaluate = (input) => {
  const scaled = zip(first(input), vector(list(input.layer.config['scale'])), (a, b) => a * b);
  return zip(scaled, vector(list(input.layer.config['offset'] ?? 0)), (a, b) => a + b);
};

export const normalization: Evaluate = (input) => {
  const { config } = input.layer;
  const given = (config['mean'] ?? null) !== null;
  const { shape } = first(input);
  const axes = list(config['axis'] ?? []).map((axis) => axisAt(axis, shape.length));
  const statistic = (name: string): Tensor => {
    const values = vector(given ? list(config[name]) : [...variable(input, name).data]);
    const kept = shape.map((size, axis) => (axes.includes(axis) ? size : 1));
    return values.data.length === 1 ? values : { shape: kept, data: values.data };
  };
  const [center, spread] = [statistic('mean'), statistic('variance')];
  const deviation = map(spread, (v) => Math.max(Math.sqrt(v), 1e-7));
  if (flag(input, 'invert', false))
    return zip(
      zip(first(input), deviation, (a, b) => a * b),
      center,
      (a, b) => a + b,
    );
  return zip(
    zip(first(input), center, (a, b) => a - b),
    deviation,
    (a, b) => a / b,
  );
};

/** The learnt statistics of training, along one axis. */
export const batchNormalization: Evaluate = (input) => {
  const x = first(input);
  const wanted = input.layer.config['axis'] ?? -1;
  const axis = Number(Array.isArray(wanted) ? wanted[0] : wanted);
  const at = axis < 0 ? axis + x.shape.length : axis;
  const epsilon = number(input, ['epsilon'], 1e-3);
  const [mu, spread] = [variable(input, 'moving_mean').data, variable(input, 'moving_variance').data];
  const gamma = flag(input, 'scale', true) ? optional(input, 'gamma')?.data : undefined;
  const beta = flag(input, 'center', true) ? optional(input, 'beta')?.data : undefined;
  const deviation = spread.map((v) => Math.sqrt(v + epsilon));
  const inside = sizeOf(x.shape.slice(at + 1));
  const factors = gamma ?? new Float64Array(mu.length).fill(1);
  const shifts = beta ?? new Float64Array(mu.length);
  const data = memoryLike(input, x);
  if (inside === 1) scaleEach(data, x.data, mu, deviation, factors, shifts);
  else
    for (let i = 0, c = 0; i < data.length; i += inside, c = (c + 1) % mu.length)
      scaleRun(data, x.data, i, inside, mu[c]!, deviation[c]!, factors[c]!, shifts[c]!);
  return { shape: x.shape, data };
};

/*
 * Loops of their own: the compiler takes longer over a function with all of the above in it than these run.
 */

function scaleEach(
  to: Float64Array,
  xs: Float64Array,
  mu: Float64Array,
  deviation: Float64Array,
  factors: Float64Array,
  shifts: Float64Array,
): void {
  for (let start = 0; start < to.length; start += mu.length)
    for (let c = 0; c < mu.length; c++)
      to[start + c] =
        (((xs[start + c] as number) - (mu[c] as number)) / (deviation[c] as number)) *
          (factors[c] as number) +
        (shifts[c] as number);
}

function scaleRun(
  to: Float64Array,
  xs: Float64Array,
  start: number,
  count: number,
  centre: number,
  width: number,
  factor: number,
  shift: number,
): void {
  for (let i = start; i < start + count; i++) to[i] = (((xs[i] as number) - centre) / width) * factor + shift;
}
