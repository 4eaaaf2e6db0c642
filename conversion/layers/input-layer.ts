import { declaredShape, dtypeName } from '../keras/model.ts';
import { dataTypes } from '../manifest/index.ts';
import { type LayerConverter, unsupported } from './layer.ts';

/**
 * Keras `InputLayer`: an input of the model, under the layer's name. The batch size is always left open.
 * @see https://keras.io/api/layers/core_layers/input/
 */
export const inputLayer: LayerConverter = (layer) => {
  const shape = declaredShape(layer.config);
  if (shape === undefined) throw unsupported(layer, 'it declares no shape');
  if (layer.config['sparse'] === true || layer.config['ragged'] === true) {
    throw unsupported(layer, 'sparse and ragged inputs are not supported');
  }
  const policy = dtypeName(layer.config);
  // A half-precision model still takes float32: Keras casts inside.
  const dtype = dataTypes.find((name) => name === policy && name !== 'float16') ?? 'float32';
  return layer.graph.input(layer.name, dtype, [-1, ...shape.slice(1)]);
};
