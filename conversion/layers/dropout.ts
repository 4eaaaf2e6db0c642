import { type LayerConverter, onlyInput } from './layer.ts';

/**
 * Keras `Dropout` and its kin: they act in training only, so nothing is left of them.
 * @see https://keras.io/api/layers/regularization_layers/dropout/
 */
export const dropout: LayerConverter = (layer) => onlyInput(layer);
