import { activation, elu, leakyRelu, prelu, relu, softmax } from './activation.ts';
import { convolutions } from './convolution.ts';
import { dense, flatten, inputLayer, passThrough } from './core.ts';
import type { LayerConverter } from './layer.ts';
import { mergers } from './merging.ts';
import { normalizations } from './normalization.ts';
import { borders } from './padding.ts';
import { pools } from './pooling.ts';
import { recurrentLayers } from './recurrent.ts';
import { shapes } from './shapes.ts';
import { wrappers } from './wrappers.ts';

/** Every Keras class that goes into a .tflite file, by its name in the config. */
export const tfliteLayers = {
  ...borders,
  ...convolutions,
  ...mergers,
  ...normalizations,
  ...pools,
  ...recurrentLayers,
  ...shapes,
  ...wrappers,
  Activation: activation,
  ActivityRegularization: passThrough,
  AlphaDropout: passThrough,
  Dense: dense,
  Dropout: passThrough,
  ELU: elu,
  Flatten: flatten,
  GaussianDropout: passThrough,
  GaussianNoise: passThrough,
  InputLayer: inputLayer,
  LeakyReLU: leakyRelu,
  PReLU: prelu,
  ReLU: relu,
  Softmax: softmax,
  SpatialDropout1D: passThrough,
  SpatialDropout2D: passThrough,
  SpatialDropout3D: passThrough,
} as const satisfies Record<string, LayerConverter>;
