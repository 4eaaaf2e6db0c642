import type { LayerConfig, Weight } from '../../keras/model.ts';
import { functions, softmax } from './functions.ts';
import { map, sizeOf, type Tensor } from './tensor.ts';

export interface LayerInput {
  readonly layer: LayerConfig;
  readonly dialect: string;
  readonly weights: readonly Weight[];
  readonly inputs: readonly Tensor[];
}

type Evaluate = (input: LayerInput) => Tensor;

const first = ({ inputs }: LayerInput): Tensor => inputs[0] as Tensor;
const number = ({ layer }: LayerInput, keys: readonly string[], fallback: number): number => {
  const value = keys.map((key) => layer.config[key]).find((v) => typeof v === 'number');
  return (value as number | undefined) ?? fallback;
};

function activated(x: Tensor, input: LayerInput): Tensor {
  const name = (input.layer.config['activation'] as string | null | undefined) ?? 'linear';
  const f = functions[name];
  if (f === undefined) throw new Error(`the reference does not know the activation '${name}'`);
  return f(x, input.dialect);
}

/** y[..., j] = sum_i x[..., i] kernel[i, j] + bias[j], with every sum in float64. */
const dense: Evaluate = (input) => {
  const x = first(input);
  const kernel = input.weights.find((w) => w.name === 'kernel') as Weight;
  const bias = input.weights.find((w) => w.name === 'bias');
  const [width, units] = kernel.shape as [number, number];
  const rows = x.data.length / width;
  const data = new Float64Array(rows * units);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < units; j++) {
      let sum = input.layer.config['use_bias'] === false ? 0 : (bias?.data[j] as number);
      for (let i = 0; i < width; i++) {
        sum += (x.data[row * width + i] as number) * (kernel.data[i * units + j] as number);
      }
      data[row * units + j] = sum;
    }
  }
  return activated({ shape: [...x.shape.slice(0, -1), units], data }, input);
};

const flatten: Evaluate = (input) => {
  const x = first(input);
  const [batch = 1, ...rest] = x.shape;
  const channelsFirst = input.layer.config['data_format'] === 'channels_first' && rest.length > 1;
  if (!channelsFirst) return { shape: [batch, sizeOf(rest)], data: x.data };
  const [channels = 1, ...space] = rest;
  const area = sizeOf(space);
  const data = new Float64Array(x.data.length);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let s = 0; s < area; s++)
        data[(n * area + s) * channels + c] = x.data[(n * channels + c) * area + s] as number;
  return { shape: [batch, channels * area], data };
};

const relu: Evaluate = (input) => {
  const slope = number(input, ['negative_slope'], 0);
  const max = number(input, ['max_value'], Number.POSITIVE_INFINITY);
  const threshold = number(input, ['threshold'], 0);
  return map(first(input), (v) => (v >= max ? max : v >= threshold ? v : slope * (v - threshold)));
};

const leaky: Evaluate = (input) => {
  const slope = number(input, ['negative_slope', 'alpha'], 0.3);
  return map(first(input), (v) => (v >= 0 ? v : slope * v));
};

const elu: Evaluate = (input) => {
  const alpha = number(input, ['alpha'], 1);
  return map(first(input), (v) => (v > 0 ? v : alpha * Math.expm1(v)));
};

/** What each Keras class computes at inference, in float64; written from Keras's documentation and apart from layers/. */
export const evaluate: Record<string, Evaluate> = {
  Activation: (input) => activated(first(input), input),
  ActivityRegularization: first,
  AlphaDropout: first,
  Dense: dense,
  Dropout: first,
  ELU: elu,
  Flatten: flatten,
  GaussianDropout: first,
  GaussianNoise: first,
  LeakyReLU: leaky,
  ReLU: relu,
  Softmax: (input) => {
    const axis = number(input, ['axis'], -1);
    const x = first(input);
    if (axis !== -1 && axis !== x.shape.length - 1)
      throw new Error('the reference knows softmax over the last axis only');
    return softmax(x);
  },
  SpatialDropout1D: first,
  SpatialDropout2D: first,
  SpatialDropout3D: first,
};
