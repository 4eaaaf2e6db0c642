import type { SymbolicTensor } from '../onnx/index.ts';
import { floatInput, type LayerConverter, numberOption, onlyInput, weightConstant } from './layer.ts';
import { cast, elementwise, reduce, scalar } from './shapes.ts';

/**
 * Keras `Embedding` as ONNX `Gather`; `mask_zero` makes a mask of what is not 0.
 * Input [N, ...] of integers in any element type; output [N, ..., outputDim].
 * @see https://keras.io/api/layers/core_layers/embedding/
 */
export const embedding: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const table = weightConstant(layer, 'embeddings');
  const indices = x.dtype === 'int32' || x.dtype === 'int64' ? x : cast(layer, x, 'int32');
  const shape = [...x.shape, table.shape[1] as number];
  const y = layer.graph.node('Gather', [table, indices], { name: `${layer.name}/gather`, shape });
  if (layer.config['mask_zero'] !== true) return y;
  return { ...y, mask: notEqual(layer, x, 0) };
};

/** x != value, as bool. */
function notEqual(layer: Parameters<LayerConverter>[0], x: SymbolicTensor, value: number): SymbolicTensor {
  const equal = elementwise(layer, 'Equal', [x, scalar(layer, value, x.dtype)], 'bool');
  return elementwise(layer, 'Not', [equal], 'bool');
}

/**
 * Keras `Masking`: steps that equal `mask_value` in every feature are set to 0 and masked; whole numbers stay such.
 * @see https://keras.io/api/layers/core_layers/masking/
 */
export const masking: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const differs = cast(
    layer,
    notEqual(layer, floatInput(layer), numberOption(layer, 'mask_value', 0)),
    'float32',
  );
  const kept = reduce(layer, 'ReduceMax', differs, [-1], true);
  const mask = cast(layer, reduce(layer, 'ReduceMax', differs, [-1], false), 'bool');
  return { ...elementwise(layer, 'Mul', [x, cast(layer, kept, x.dtype)]), mask };
};
