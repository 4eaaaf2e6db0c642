import { denseAttention, multiHeadAttention } from './attention.ts';
import { categoryEncoding, discretization, integerLookup } from './categories.ts';
import {
  convolution,
  convolutionSteps,
  depthwise,
  separable,
  separableSteps,
  transposed,
} from './convolution.ts';
import { einsum } from './einsum.ts';
import { softmaxOver } from './functions.ts';
import {
  activated,
  type Evaluate,
  first,
  flag,
  isTensor,
  type LayerInput,
  matrixOf,
  memoryLike,
  number,
  optional,
  stored,
  variable,
} from './layer-input.ts';
import { added, average, concatenate, dot, each, extreme, merge, multiplied } from './merging.ts';
import {
  axesOf,
  batchNormalization,
  groupNormalization,
  layerNormalization,
  normalization,
  rescaling,
  rmsNormalization,
  unit,
} from './normalization.ts';
import { operation } from './operations/index.ts';
import { cropping, flatten, zeroPadding } from './padding.ts';
import { adaptivePooling, globalPooling, pooling } from './pooling.ts';
import { type Asking, answered } from './products.ts';
import { centerCrop, resizing, upSampling } from './resizing.ts';
import { bidirectional, embedding, masking, recurrent, timeDistributed } from './sequence.ts';
import { generate, get, map, permute, plus, rectified, reshaped, type Tensor, zip } from './tensor.ts';

/** y[..., j] = sum_i x[..., i] kernel[i, j] + bias[j], with every sum in float64; keeps the mask. */
function* denseSteps(input: LayerInput): Asking<Tensor> {
  const x = first(input);
  const kernel = stored(input, 'kernel');
  const [width, units] = kernel.shape as [number, number];
  const rows = reshaped({ shape: x.shape, data: x.data }, [x.data.length / width, width]);
  const flat = yield { a: rows, b: matrixOf(kernel) };
  const biasedFlat = flag(input, 'use_bias', true) ? plus(flat, variable(input, 'bias')) : flat;
  const y = activated(reshaped(biasedFlat, [...x.shape.slice(0, -1), units]), input);
  return x.mask === undefined ? y : { ...y, mask: x.mask };
}

const relu: Evaluate = (input) => {
  const slope = number(input, ['negative_slope'], 0);
  const max = number(input, ['max_value'], Number.POSITIVE_INFINITY);
  const threshold = number(input, ['threshold'], 0);
  if (slope === 0 && threshold === 0) return rectified(first(input), max, memoryLike(input, first(input)));
  return map(first(input), (v) => (v > threshold ? Math.min(v, max) : slope * (v - threshold)));
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

const einsumDense: Evaluate = (input) => {
  const equation = String(input.layer.config['equation']);
  const y = einsum(equation, [first(input), variable(input, 'kernel')]);
  const bias = optional(input, 'bias');
  return activated(bias === undefined ? y : plus(y, bias), input);
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
  Add: added,
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
  CustomScaleLayer: (input) => {
    const [x, residual] = input.inputs as [Tensor, Tensor];
    const scale = number(input, ['scale'], 1);
    return zip(x, residual, (a, b) => a + b * scale);
  },
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
  GroupedQueryAttention: multiHeadAttention,
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
  Maximum: extreme(Math.max),
  Minimum: extreme(Math.min),
  MultiHeadAttention: multiHeadAttention,
  Multiply: multiplied,
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
  Subtract: merge(each((a, b) => a - b)),
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

/** What comes out of these is in memory of its own, unless it is an input. */
export const inOwnMemory: ReadonlySet<string> = new Set([
  'Activation',
  'Add',
  'BatchNormalization',
  'Conv1D',
  'Conv2D',
  'Conv3D',
  'Dense',
  'DepthwiseConv1D',
  'DepthwiseConv2D',
  'ReLU',
]);

/** Of those whose products are worth more than a loop: the same, for who has something better. */
export const steps: Readonly<Record<string, (input: LayerInput) => Asking<Tensor>>> = {
  Conv1D: convolutionSteps(1),
  Conv2D: convolutionSteps(2),
  Conv3D: convolutionSteps(3),
  Dense: denseSteps,
  SeparableConv1D: separableSteps(1),
  SeparableConv2D: separableSteps(2),
};
