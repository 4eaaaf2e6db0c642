import { declaredShape, dtypeName } from '../../keras/model.ts';
import type { TfliteType } from '../ir.ts';
import { activate } from './activations.ts';
import { type LayerConverter, onlyInput, unsupported, weight } from './layer.ts';
import { channelsLast, reshape, transposedData } from './movement.ts';

const inputTypes: Readonly<Record<string, TfliteType>> = {
  bool: 'bool',
  int8: 'int8',
  uint8: 'uint8',
  int32: 'int32',
  int64: 'int64',
};

/** Keras `InputLayer`: an input of the model, under the layer's name. The batch size is always left open. */
export const inputLayer: LayerConverter = (layer) => {
  const shape = declaredShape(layer.config);
  if (shape === undefined) throw unsupported(layer, 'it declares no shape');
  if (layer.config['sparse'] === true || layer.config['ragged'] === true) {
    throw unsupported(layer, 'sparse and ragged inputs are not supported');
  }
  // A half-precision model still takes float32: Keras casts inside.
  const dtype = inputTypes[dtypeName(layer.config)] ?? 'float32';
  return layer.graph.input(layer.name, dtype, [-1, ...shape.slice(1)]);
};

/** Keras `Dropout` and its kin: they act in training only, so nothing is left of them. */
export const passThrough: LayerConverter = (layer) => onlyInput(layer);

/**
 * Keras `Dense` as `FULLY_CONNECTED`. Input [..., inputDim]; Keras's kernel [inputDim, units] is written as [units, inputDim].
 */
export const dense: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const kernel = weight(layer, 'kernel');
  const [inputDim = 0, units = 0] = kernel.shape;
  if (kernel.shape.length !== 2 || x.shape.at(-1) !== inputDim) {
    throw unsupported(layer, `kernel [${kernel.shape}] does not fit the input [${x.shape}]`);
  }
  const data = transposedData(kernel.data, kernel.shape, [1, 0]);
  const weights = layer.graph.constant(`${layer.name}/kernel`, 'float32', [units, inputDim], data);
  const bias =
    layer.config['use_bias'] === false
      ? undefined
      : layer.graph.constant(`${layer.name}/bias`, 'float32', [units], weight(layer, 'bias').data);
  const y = layer.graph.node(
    'FULLY_CONNECTED',
    [x, weights, bias],
    { name: `${layer.name}/matmul`, shape: [...x.shape.slice(0, -1), units] },
    { fusedActivationFunction: 0, keepNumDims: x.shape.length > 2 },
  );
  return activate(layer, y);
};

/** Keras `Flatten`: [N, a, b, ...] to [N, a*b*...], channels last. */
export const flatten: LayerConverter = (layer) => {
  const only = onlyInput(layer);
  const x = only.shape.length > 2 ? channelsLast(layer, only) : only;
  const rest = x.shape.slice(1);
  if (rest.some((size) => size < 0)) throw unsupported(layer, `the shape [${x.shape}] is open`);
  return reshape(layer, x, [-1, rest.reduce((product, size) => product * size, 1)]);
};
