import { activate, elu as eluOf, softmaxOver } from './activations.ts';
import { binary, unary } from './arithmetic.ts';
import { axisOf, type LayerConverter, numberOf, onlyInput, unsupported, weight } from './layer.ts';

/** Keras `Activation`. */
export const activation: LayerConverter = (layer) => activate(layer, onlyInput(layer));

/** Keras `Softmax` over one axis. */
export const softmax: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const axis = layer.config['axis'] ?? -1;
  const only = Array.isArray(axis) && axis.length === 1 ? axis[0] : axis;
  if (typeof only !== 'number')
    throw unsupported(layer, `axis=${JSON.stringify(axis)}: one axis is supported`);
  return softmaxOver(layer, x, axisOf(layer, only, x.shape.length));
};

/** Keras `ReLU(max_value, negative_slope, threshold)`: max_value from there up, x above the threshold, slope * (x - threshold) below. */
export const relu: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const slope = numberOf(layer, 'negative_slope', 0);
  const threshold = numberOf(layer, 'threshold', 0);
  const max = layer.config['max_value'] ?? undefined;
  if (threshold !== 0) throw unsupported(layer, 'a threshold other than 0');
  if (slope === 0 && max === 6) return unary(layer, 'RELU6', x);
  const y = slope === 0 ? unary(layer, 'RELU', x) : unary(layer, 'LEAKY_RELU', x, { alpha: slope });
  return max === undefined ? y : binary(layer, 'MINIMUM', y, Number(max));
};

/** Keras `LeakyReLU`: `alpha` in Keras 2, `negative_slope` in Keras 3; 0.3 by default. */
export const leakyRelu: LayerConverter = (layer) => {
  const alpha = numberOf(layer, 'negative_slope', numberOf(layer, 'alpha', 0.3));
  return unary(layer, 'LEAKY_RELU', onlyInput(layer), { alpha });
};

/** Keras `ELU`. */
export const elu: LayerConverter = (layer) => eluOf(layer, onlyInput(layer), numberOf(layer, 'alpha', 1));

/** Keras `PReLU`: a slope per element, or shared along axes. */
export const prelu: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const { shape, data } = weight(layer, 'alpha');
  const alpha = layer.graph.constant(`${layer.name}/alpha`, 'float32', shape, data);
  return layer.graph.node('PRELU', [x, alpha], { name: `${layer.name}/prelu`, shape: x.shape });
};
