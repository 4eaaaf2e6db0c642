import type { SymbolicTensor } from '../onnx/index.ts';
import type { LayerContext } from './layer.ts';
import { cast, concat, elementwise } from './shapes.ts';

/** Layers whose output has the mask of their first input. All others end a mask, or make their own. */
const passing = new Set([
  'Activation',
  'ActivityRegularization',
  'AlphaDropout',
  'BatchNormalization',
  'Dense',
  'Dropout',
  'ELU',
  'GaussianDropout',
  'GaussianNoise',
  'GroupNormalization',
  'LayerNormalization',
  'LeakyReLU',
  'PReLU',
  'ReLU',
  'Softmax',
  'SpatialDropout1D',
  'SpatialDropout2D',
  'SpatialDropout3D',
  'ThresholdedReLU',
  'UnitNormalization',
]);
const passingInKeras3 = new Set(['Identity', 'Normalization', 'Rescaling']);
const merging = new Set(['Add', 'Average', 'Maximum', 'Minimum', 'Multiply', 'Subtract']);

/** Keras 2: all masks that there are must allow. Keras 3: one is enough, and an input without a mask ends it. */
function mergedMask(layer: LayerContext): SymbolicTensor | undefined {
  const masks = layer.inputs.flatMap(({ mask }) => (mask === undefined ? [] : [mask]));
  const isKeras3 = layer.dialect === 'keras-3';
  if (masks.length === 0 || (isKeras3 && masks.length < layer.inputs.length)) return undefined;
  return masks.reduce((a, b) => elementwise(layer, isKeras3 ? 'Or' : 'And', [a, b], 'bool'));
}

/** Along the steps the masks follow each other; along the features they are merged, no mask counting as "all". */
function concatenatedMask(layer: LayerContext): SymbolicTensor | undefined {
  const { inputs } = layer;
  if (inputs.every(({ mask }) => mask === undefined)) return undefined;
  const rank = (inputs[0] as SymbolicTensor).shape.length;
  const axis = Number(layer.config['axis'] ?? -1);
  const at = axis < 0 ? axis + rank : axis;
  if (at < rank - 1) {
    const masks = inputs.map(({ mask }) => mask);
    return masks.every((mask) => mask !== undefined) ? concat(layer, masks, at) : undefined;
  }
  const masks = inputs.flatMap(({ mask }) => (mask === undefined ? [] : [mask]));
  if (layer.dialect !== 'keras-3') return masks.reduce((a, b) => elementwise(layer, 'And', [a, b], 'bool'));
  const merged = masks.reduce((a, b) => elementwise(layer, 'Or', [a, b], 'bool'));
  if (masks.length === inputs.length) return merged;
  return cast(
    layer,
    elementwise(layer, 'Or', [merged, elementwise(layer, 'Not', [merged], 'bool')], 'bool'),
    'bool',
  );
}

/** The mask of a layer's first output, where the layer's converter did not make one. */
export function outputMask(layer: LayerContext): SymbolicTensor | undefined {
  if (layer.isOperation) return undefined;
  if (merging.has(layer.className)) return mergedMask(layer);
  if (layer.className === 'Concatenate') return concatenatedMask(layer);
  const passes =
    passing.has(layer.className) || (layer.dialect === 'keras-3' && passingInKeras3.has(layer.className));
  return passes ? layer.inputs[0]?.mask : undefined;
}
