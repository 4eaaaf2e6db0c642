import { activate } from './activations.ts';
import { type LayerConverter, onlyInput, unsupported } from './layer.ts';

/**
 * Keras `Activation`: a function of activations.ts by name.
 * @see https://keras.io/api/layers/core_layers/activation/
 */
export const activation: LayerConverter = (layer) => activate(layer, onlyInput(layer));

/** Keras `Softmax` over one axis. */
export const softmax: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const axis = layer.config['axis'] ?? -1;
  if (typeof axis !== 'number')
    throw unsupported(layer, `axis=${JSON.stringify(axis)}: one axis is supported`);
  return layer.graph.node(
    'Softmax',
    [x],
    { name: `${layer.name}/softmax`, shape: x.shape },
    { axis: BigInt(axis) },
  );
};

/** Keras `ReLU(max_value, negative_slope, threshold)`: leaky below the threshold, clipped above. Threshold 0 only. */
export const relu: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const slope = Number(layer.config['negative_slope'] ?? 0);
  const max = layer.config['max_value'];
  if (Number(layer.config['threshold'] ?? 0) !== 0) throw unsupported(layer, 'a threshold other than 0');
  const y =
    slope === 0
      ? layer.graph.node('Relu', [x], { name: `${layer.name}/relu`, shape: x.shape })
      : layer.graph.node('LeakyRelu', [x], { name: `${layer.name}/relu`, shape: x.shape }, { alpha: slope });
  if (max === null || max === undefined) return y;
  const limit = layer.graph.constant(`${layer.name}/max`, 'float32', [], Float32Array.of(Number(max)));
  return layer.graph.node('Clip', [y, '', limit], { name: `${layer.name}/clip`, shape: x.shape });
};

/** Keras `LeakyReLU`: `alpha` in Keras 2, `negative_slope` in Keras 3; 0.3 by default. */
export const leakyRelu: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const alpha = Number(layer.config['negative_slope'] ?? layer.config['alpha'] ?? 0.3);
  return layer.graph.node('LeakyRelu', [x], { name: `${layer.name}/leaky`, shape: x.shape }, { alpha });
};

/** Keras `ELU`. */
export const elu: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const alpha = Number(layer.config['alpha'] ?? 1);
  return layer.graph.node('Elu', [x], { name: `${layer.name}/elu`, shape: x.shape }, { alpha });
};
