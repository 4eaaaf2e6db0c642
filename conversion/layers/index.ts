import { activation, elu, leakyRelu, relu, softmax } from './activation.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import { flatten } from './flatten.ts';
import { inputLayer } from './input-layer.ts';
import type { LayerConverter } from './layer.ts';

/** Every Keras class that converts, by its name in the config. The README's support table is made from these rows. */
export const layers = {
  Activation: activation,
  ActivityRegularization: dropout,
  AlphaDropout: dropout,
  Dense: dense,
  Dropout: dropout,
  ELU: elu,
  Flatten: flatten,
  GaussianDropout: dropout,
  GaussianNoise: dropout,
  InputLayer: inputLayer,
  LeakyReLU: leakyRelu,
  ReLU: relu,
  Softmax: softmax,
  SpatialDropout1D: dropout,
  SpatialDropout2D: dropout,
  SpatialDropout3D: dropout,
} as const satisfies Record<string, LayerConverter>;
