import { denseAttention, einsum, multiHeadAttention } from './attention.ts';
import { softmaxOver } from './functions.ts';
import {
  activated,
  type Evaluate,
  first,
  flag,
  isTensor,
  type LayerInput,
  number,
  optional,
  variable,
} from './layer-input.ts';
import { operation } from './operations.ts';
import { type Asking, answered } from './products.ts';
import { bidirectional, embedding, masking, recurrent, timeDistributed } from './sequence.ts';
import {
  adaptivePooling,
  batchNormalization,
  centerCrop,
  convolution,
  convolutionSteps,
  cropping,
  depthwise,
  flatten,
  globalPooling,
  pooling,
  resizing,
  separable,
  separableSteps,
  transposed,
  upSampling,
  zeroPadding,
} from './space.ts';
import {
  axisAt,
  filled,
  generate,
  get,
  joined,
  map,
  mean,
  permute,
  reshaped,
  sum,
  type Tensor,
  variance,
  zip,
} from './tensor.ts';

/** y[..., j] = sum_i x[..., i] kernel[i, j] + bias[j], with every sum in float64; keeps the mask. */
function* denseSteps(input: LayerInput): Asking<Tensor> {
  const x = first(input);
  const kernel = variable(input, 'kernel');
  const [width, units] = kernel.shape as [number, number];
  const rows = reshaped({ shape: x.shape, data: x.data }, [x.data.length / width, width]);
  const flat = yield { a: rows, b: kernel };
  const biasedFlat = flag(input, 'use_bias', true)
    ? zip(flat, variable(input, 'bias'), (a, b) => a + b)
    : flat;
  const y = activated(reshaped(biasedFlat, [...x.shape.slice(0, -1), units]), input);
  return x.mask === undefined ? y : { ...y, mask: x.mask };
}

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

const softmaxLayer: Evaluate = (input) => {
  let x = first(input);
  const axes = [input.layer.config['axis'] ?? -1].flat().map(Number);
  const given = isTensor(input.kwargs['mask']) ? input.kwargs['mask'] : input.inputs[1];
  const mask = given ?? x.mask;
  if (mask === undefined) return softmaxOver(x, axes);
  x = zip(x, mask, (v, m) => (m !== 0 ? v : -1e9));
  const y = softmaxOver(x, axes);
  return input.dialect === 'keras-3' ? zip(y, mask, (v, m) => (m !== 0 ? v : 0)) : y;
};

const prelu: Evaluate = (input) =>
  zip(first(input), variable(input, 'alpha'), (v, a) => (v >= 0 ? v : a * v));

const reshape: Evaluate = (input) => {
  const x = first(input);
  const target = (input.layer.config['target_shape'] as (number | null)[]).map((dim) => dim ?? -1);
  return reshaped({ shape: x.shape, data: x.data }, [x.shape[0] as number, ...target]);
};

const repeatVector: Evaluate = (input) => {
  const [batch, width] = first(input).shape as [number, number];
  return generate([batch, Number(input.layer.config['n']), width], ([i, , j]) =>
    get(first(input), [i, j] as number[]),
  );
};

/** Inputs of lower rank get sizes of 1 after the batch. */
function evened(inputs: readonly Tensor[]): Tensor[] {
  const rank = Math.max(...inputs.map((x) => x.shape.length));
  return inputs.map((x) => {
    const ones = Array.from({ length: rank - x.shape.length }, () => 1);
    return ones.length === 0 ? x : reshaped(x, [x.shape[0] as number, ...ones, ...x.shape.slice(1)]);
  });
}

/** Keras 2: every mask that there is must allow; Keras 3: one is enough, none where an input has none. */
function mergedMask(input: LayerInput): Tensor | undefined {
  const masks = input.inputs.map((x) => x.mask);
  const known = masks.filter((mask) => mask !== undefined);
  const isKeras3 = input.dialect === 'keras-3';
  if (known.length === 0 || (isKeras3 && known.length < masks.length)) return undefined;
  return known.reduce((a, b) => zip(a, b, isKeras3 ? Math.max : Math.min));
}

const merge =
  (f: (a: number, b: number) => number): Evaluate =>
  (input) => {
    const y = evened(input.inputs).reduce((a, b) => zip(a, b, f));
    const mask = mergedMask(input);
    return mask === undefined ? { shape: y.shape, data: y.data } : { ...y, mask };
  };

const average: Evaluate = (input) => {
  const total = merge((a, b) => a + b)(input) as Tensor;
  return { ...total, data: total.data.map((v) => v / input.inputs.length) };
};

const concatenate: Evaluate = (input) => {
  const { inputs } = input;
  const rank = first(input).shape.length;
  const axis = axisAt(number(input, ['axis'], -1), rank);
  const y = joined(inputs, axis);
  const masks = inputs.map((x) => x.mask);
  if (masks.every((mask) => mask === undefined)) return y;
  if (axis < rank - 1)
    return masks.every((mask) => mask !== undefined) ? { ...y, mask: joined(masks, axis) } : y;
  const ones = (x: Tensor) => filled(x.shape.slice(0, -1), 1);
  const every = inputs.map((x) => x.mask ?? ones(x));
  return { ...y, mask: every.reduce((a, b) => zip(a, b, input.dialect === 'keras-3' ? Math.max : Math.min)) };
};

/** Length 1 along some axes: Keras 2 bounds the square of the length, Keras 3 the length. */
function unit(x: Tensor, axes: readonly number[], dialect: string): Tensor {
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

const dot: Evaluate = (input) => {
  let [a, b] = input.inputs as [Tensor, Tensor];
  const axes = [input.layer.config['axes']].flat().map(Number);
  const [i, j] = [
    axisAt(axes[0] as number, a.shape.length),
    axisAt((axes[1] ?? axes[0]) as number, b.shape.length),
  ];
  if (flag(input, 'normalize', false)) [a, b] = [unit(a, [i], input.dialect), unit(b, [j], input.dialect)];
  const labels = ['n', ...'abc'];
  const left = a.shape.map((_, axis) => (axis === i ? 'k' : (labels[axis] as string)));
  const right = b.shape.map((_, axis) => (axis === j ? 'k' : axis === 0 ? 'n' : ['x', 'y', 'z'][axis - 1]));
  const output = [...left, ...right.slice(1)].filter((label) => label !== 'k');
  const y = einsum(`${left.join('')},${right.join('')}->${output.join('')}`, [a, b]);
  return y.shape.length === 1 ? reshaped(y, [y.shape[0] as number, 1]) : y;
};

/** Takes the variable to the axes that it is for. */
function along(x: Tensor, v: Tensor, axes: readonly number[]): Tensor {
  return reshaped(
    v,
    x.shape.map((dim, i) => (axes.includes(i) ? dim : 1)),
  );
}

const axesOf = (input: LayerInput, rank: number) =>
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

const layerNormalization: Evaluate = (input) => {
  const x = first(input);
  const axes = axesOf(input, x.shape.length);
  return scaledAndShifted(input, standardized(x, axes, number(input, ['epsilon'], 1e-3)), axes);
};

const rmsNormalization: Evaluate = (input) => {
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

const groupNormalization: Evaluate = (input) => {
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

const rescaling: Evaluate = (input) => {
  const scaled = zip(first(input), vector(list(input.layer.config['scale'])), (a, b) => a * b);
  return zip(scaled, vector(list(input.layer.config['offset'] ?? 0)), (a, b) => a + b);
};

const normalization: Evaluate = (input) => {
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

const einsumDense: Evaluate = (input) => {
  const equation = String(input.layer.config['equation']);
  const y = einsum(equation, [first(input), variable(input, 'kernel')]);
  const bias = optional(input, 'bias');
  return activated(bias === undefined ? y : zip(y, bias, (a, b) => a + b), input);
};

/** Whole numbers as Keras encodes them. */
function encoded(x: Tensor, mode: string, depth: number): Tensor {
  if (mode === 'int') return x;
  const width = x.shape.length > 1 ? (x.shape.at(-1) as number) : 1;
  const isOneHot = mode === 'one_hot';
  if (isOneHot && width !== 1)
    return generate([...x.shape, depth], (at) => (get(x, at.slice(0, -1)) === at.at(-1) ? 1 : 0));
  const rows = x.data.length / width;
  const data = new Float64Array(rows * depth);
  x.data.forEach((value, i) => {
    const place = Math.floor(i / width) * depth + value;
    if (value >= 0 && value < depth) data[place] = mode === 'count' ? (data[place] as number) + 1 : 1;
  });
  return { shape: [...(x.shape.length > 1 ? x.shape.slice(0, -1) : x.shape), depth], data };
}

const categoryEncoding: Evaluate = (input) =>
  encoded(
    first(input),
    String(input.layer.config['output_mode'] ?? 'multi_hot'),
    number(input, ['num_tokens'], 0),
  );

const discretization: Evaluate = (input) => {
  const boundaries = (input.layer.config['bin_boundaries'] as number[]).map(Math.fround);
  const bins = map(first(input), (v) => boundaries.filter((boundary) => boundary <= v).length);
  return encoded(bins, String(input.layer.config['output_mode'] ?? 'int'), boundaries.length + 1);
};

const integerLookup: Evaluate = (input) => {
  const { config } = input.layer;
  const mask = config['mask_token'] as number | null | undefined;
  const words = (config['vocabulary'] as number[])
    .map(Number)
    .filter((word) => word !== mask && word !== config['oov_token']);
  const hasMask = typeof mask === 'number';
  const start = hasMask ? 2 : 1;
  const found = map(first(input), (v) => {
    if (hasMask && v === mask) return 0;
    const place = words.indexOf(v);
    return place < 0 ? start - 1 : place + start;
  });
  return encoded(found, String(config['output_mode'] ?? 'int'), words.length + 1);
};

/** What keeps its first input's mask. */
const passing =
  (run: Evaluate): Evaluate =>
  (input) => {
    const y = run(input) as Tensor;
    const { mask } = first(input);
    return mask === undefined ? { shape: y.shape, data: y.data } : { ...y, mask };
  };

/** What keeps it in Keras 3 only. */
const passingLater =
  (run: Evaluate): Evaluate =>
  (input) =>
    input.dialect === 'keras-3' ? passing(run)(input) : unmasked(run)(input);

const unmasked =
  (run: Evaluate): Evaluate =>
  (input) => {
    const { shape, data } = run(input) as Tensor;
    return { shape, data };
  };

const same = passing(first);
const dropped = unmasked(first);

/** What each Keras class computes at inference, in float64; written from Keras's documentation and apart from layers/. */
export const evaluate: Record<string, Evaluate> = {
  Activation: passing((input) => activated(first(input), input)),
  ActivityRegularization: same,
  AdaptiveAveragePooling1D: adaptivePooling('mean', 1),
  AdaptiveAveragePooling2D: adaptivePooling('mean', 2),
  AdaptiveAveragePooling3D: adaptivePooling('mean', 3),
  AdaptiveMaxPooling1D: adaptivePooling('max', 1),
  AdaptiveMaxPooling2D: adaptivePooling('max', 2),
  AdaptiveMaxPooling3D: adaptivePooling('max', 3),
  Add: merge((a, b) => a + b),
  AdditiveAttention: denseAttention(true),
  AlphaDropout: same,
  Attention: denseAttention(false),
  Average: average,
  AveragePooling1D: pooling('mean', 1),
  AveragePooling2D: pooling('mean', 2),
  AveragePooling3D: pooling('mean', 3),
  BatchNormalization: passing(batchNormalization),
  Bidirectional: bidirectional,
  CategoryEncoding: categoryEncoding,
  CenterCrop: centerCrop,
  Concatenate: concatenate,
  Conv1D: convolution(1),
  Conv1DTranspose: transposed(1),
  Conv2D: convolution(2),
  Conv2DTranspose: transposed(2),
  Conv3D: convolution(3),
  Conv3DTranspose: transposed(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  Dense: (input) => answered(denseSteps(input)),
  DepthwiseConv1D: depthwise(1),
  DepthwiseConv2D: depthwise(2),
  Discretization: discretization,
  Dot: dot,
  Dropout: same,
  ELU: passing(elu),
  EinsumDense: einsumDense,
  Embedding: embedding,
  Flatten: flatten,
  GRU: recurrent,
  GaussianDropout: same,
  GaussianNoise: same,
  GlobalAveragePooling1D: globalPooling('mean', 1),
  GlobalAveragePooling2D: globalPooling('mean', 2),
  GlobalAveragePooling3D: globalPooling('mean', 3),
  GlobalMaxPooling1D: globalPooling('max', 1),
  GlobalMaxPooling2D: globalPooling('max', 2),
  GlobalMaxPooling3D: globalPooling('max', 3),
  GroupNormalization: passing(groupNormalization),
  GroupQueryAttention: multiHeadAttention,
  Identity: passingLater(first),
  IntegerLookup: integerLookup,
  LSTM: recurrent,
  LayerNormalization: passing(layerNormalization),
  LayerScale: (input) => zip(first(input), variable(input, 'gamma'), (a, b) => a * b),
  LeakyReLU: passing(leaky),
  Masking: masking,
  MaxPooling1D: pooling('max', 1),
  MaxPooling2D: pooling('max', 2),
  MaxPooling3D: pooling('max', 3),
  Maximum: merge(Math.max),
  Minimum: merge(Math.min),
  MultiHeadAttention: multiHeadAttention,
  Multiply: merge((a, b) => a * b),
  Normalization: passingLater(normalization),
  PReLU: passing(prelu),
  Permute: (input) => permute(first(input), [0, ...(input.layer.config['dims'] as number[])]),
  RMSNormalization: rmsNormalization,
  RNN: recurrent,
  RandomBrightness: dropped,
  RandomContrast: dropped,
  RandomFlip: dropped,
  RandomRotation: dropped,
  RandomTranslation: dropped,
  RandomZoom: dropped,
  ReLU: passing(relu),
  RepeatVector: repeatVector,
  Rescaling: passingLater(rescaling),
  Reshape: reshape,
  Resizing: resizing,
  SeparableConv1D: separable(1),
  SeparableConv2D: separable(2),
  SimpleRNN: recurrent,
  SlicingOpLambda: operation,
  Softmax: passing(softmaxLayer),
  SpatialDropout1D: same,
  SpatialDropout2D: same,
  SpatialDropout3D: same,
  StochasticDepth: dropped,
  Subtract: merge((a, b) => a - b),
  TFOpLambda: operation,
  ThresholdedReLU: passing((input) => map(first(input), (v) => (v > number(input, ['theta'], 1) ? v : 0))),
  TimeDistributed: timeDistributed,
  UnitNormalization: passing((input) =>
    unit(first(input), axesOf(input, first(input).shape.length), input.dialect),
  ),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
  ZeroPadding1D: zeroPadding(1),
  ZeroPadding2D: zeroPadding(2),
  ZeroPadding3D: zeroPadding(3),
};

/** Of those whose products are worth more than a loop: the same, for who has something better. */
export const steps: Readonly<Record<string, (input: LayerInput) => Asking<Tensor>>> = {
  Conv1D: convolutionSteps(1),
  Conv2D: convolutionSteps(2),
  Conv3D: convolutionSteps(3),
  Dense: denseSteps,
  SeparableConv1D: separableSteps(1),
  SeparableConv2D: separableSteps(2),
};
