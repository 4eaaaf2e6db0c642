import { activation, elu, leakyRelu, prelu, relu, softmax, thresholdedRelu } from './activation.ts';
import { denseAttention } from './attention.ts';
import { batchNormalization } from './batch-normalization.ts';
import { categoryEncoding, discretization, integerLookup } from './categorical.ts';
import {
  convolution,
  depthwiseConvolution,
  separableConvolution,
  transposedConvolution,
} from './convolution.ts';
import { dense } from './dense.ts';
import { augmentation, dropout, randomBrightness } from './dropout.ts';
import { einsumDense } from './einsum-dense.ts';
import { embedding, masking } from './embedding.ts';
import { layerScale, normalization, rescaling } from './feature-scaling.ts';
import { flatten } from './flatten.ts';
import { inputLayer } from './input-layer.ts';
import type { LayerConverter } from './layer.ts';
import { average, concatenate, dot, merge, scaledSum } from './merge.ts';
import { multiHeadAttention } from './multi-head-attention.ts';
import { operation } from './operations/index.ts';
import { adaptivePooling, globalPooling, pooling } from './pooling.ts';
import { recurrent } from './recurrent.ts';
import { centerCrop, resizing, upSampling } from './resizing.ts';
import {
  groupNormalization,
  layerNormalization,
  rmsNormalization,
  unitNormalization,
} from './row-normalization.ts';
import { cropping, permute, repeatVector, reshape, zeroPadding } from './shape-layers.ts';
import { bidirectional, timeDistributed } from './wrappers.ts';

/** Every Keras class that converts, by its name in the config. The table in docs/conversion.md is made from these rows. */
export const layers = {
  Activation: activation,
  ActivityRegularization: dropout,
  AdaptiveAveragePooling1D: adaptivePooling('AveragePool', 1),
  AdaptiveAveragePooling2D: adaptivePooling('AveragePool', 2),
  AdaptiveAveragePooling3D: adaptivePooling('AveragePool', 3),
  AdaptiveMaxPooling1D: adaptivePooling('MaxPool', 1),
  AdaptiveMaxPooling2D: adaptivePooling('MaxPool', 2),
  AdaptiveMaxPooling3D: adaptivePooling('MaxPool', 3),
  Add: merge('Add'),
  AdditiveAttention: denseAttention(true),
  AlphaDropout: dropout,
  Attention: denseAttention(false),
  Average: average,
  AveragePooling1D: pooling('AveragePool', 1),
  AveragePooling2D: pooling('AveragePool', 2),
  AveragePooling3D: pooling('AveragePool', 3),
  BatchNormalization: batchNormalization,
  Bidirectional: bidirectional,
  CategoryEncoding: categoryEncoding,
  CenterCrop: centerCrop,
  Concatenate: concatenate,
  Conv1D: convolution(1),
  Conv1DTranspose: transposedConvolution(1),
  Conv2D: convolution(2),
  Conv2DTranspose: transposedConvolution(2),
  Conv3D: convolution(3),
  Conv3DTranspose: transposedConvolution(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  CustomScaleLayer: scaledSum,
  Dense: dense,
  DepthwiseConv1D: depthwiseConvolution(1),
  DepthwiseConv2D: depthwiseConvolution(2),
  Discretization: discretization,
  Dot: dot,
  Dropout: dropout,
  ELU: elu,
  EinsumDense: einsumDense,
  Embedding: embedding,
  Flatten: flatten,
  GRU: recurrent,
  GaussianDropout: dropout,
  GaussianNoise: dropout,
  GlobalAveragePooling1D: globalPooling('GlobalAveragePool', 1),
  GlobalAveragePooling2D: globalPooling('GlobalAveragePool', 2),
  GlobalAveragePooling3D: globalPooling('GlobalAveragePool', 3),
  GlobalMaxPooling1D: globalPooling('GlobalMaxPool', 1),
  GlobalMaxPooling2D: globalPooling('GlobalMaxPool', 2),
  GlobalMaxPooling3D: globalPooling('GlobalMaxPool', 3),
  GroupNormalization: groupNormalization,
  GroupQueryAttention: multiHeadAttention(true),
  GroupedQueryAttention: multiHeadAttention(true),
  Identity: dropout,
  InputLayer: inputLayer,
  IntegerLookup: integerLookup,
  LSTM: recurrent,
  LayerNormalization: layerNormalization,
  LayerScale: layerScale,
  LeakyReLU: leakyRelu,
  Masking: masking,
  MaxPooling1D: pooling('MaxPool', 1),
  MaxPooling2D: pooling('MaxPool', 2),
  MaxPooling3D: pooling('MaxPool', 3),
  Maximum: merge('Max'),
  Minimum: merge('Min'),
  MultiHeadAttention: multiHeadAttention(false),
  Multiply: merge('Mul'),
  Normalization: normalization,
  PReLU: prelu,
  Permute: permute,
  RMSNormalization: rmsNormalization,
  RNN: recurrent,
  RandomBrightness: randomBrightness,
  RandomContrast: augmentation,
  RandomFlip: augmentation,
  RandomRotation: augmentation,
  RandomTranslation: augmentation,
  RandomZoom: augmentation,
  ReLU: relu,
  RepeatVector: repeatVector,
  Rescaling: rescaling,
  Reshape: reshape,
  Resizing: resizing,
  SeparableConv1D: separableConvolution(1),
  SeparableConv2D: separableConvolution(2),
  SimpleRNN: recurrent,
  SlicingOpLambda: operation,
  Softmax: softmax,
  SpatialDropout1D: dropout,
  SpatialDropout2D: dropout,
  SpatialDropout3D: dropout,
  StochasticDepth: dropout,
  Subtract: merge('Sub'),
  TFOpLambda: operation,
  ThresholdedReLU: thresholdedRelu,
  TimeDistributed: timeDistributed,
  UnitNormalization: unitNormalization,
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
  ZeroPadding1D: zeroPadding(1),
  ZeroPadding2D: zeroPadding(2),
  ZeroPadding3D: zeroPadding(3),
} as const satisfies Record<string, LayerConverter>;
