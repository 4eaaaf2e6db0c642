import { floatInput, type LayerConverter, onlyInput } from './layer.ts';

/**
 * Keras `Dropout` and its kin: they act in training only, so nothing is left of them.
 * @see https://keras.io/api/layers/regularization_layers/dropout/
 */
export const dropout: LayerConverter = (layer) => onlyInput(layer);

/**
 * Keras `RandomFlip` and its kin: nothing is left of them either, but that they make floats of whole numbers.
 * @see https://keras.io/api/layers/preprocessing_layers/image_augmentation/
 */
export const augmentation: LayerConverter = (layer) => floatInput(layer);

/** Keras `RandomBrightness`, which in Keras 3 leaves whole numbers as they are. */
export const randomBrightness: LayerConverter = (layer) =>
  layer.dialect === 'keras-3' ? dropout(layer) : augmentation(layer);
