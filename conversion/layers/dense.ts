import { activate } from './activations.ts';
import { floatInput, type LayerConverter, unsupported, weightConstant } from './layer.ts';

/**
 * Keras `Dense` as ONNX `MatMul` + `Add`.
 * Input [..., inputDim] float32; kernel [inputDim, units]; output [..., units].
 * @see https://keras.io/api/layers/core_layers/dense/
 */
export const dense: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const kernel = weightConstant(layer, 'kernel');
  const [inputDim, units] = kernel.shape;
  const width = x.shape.at(-1);
  if (kernel.shape.length !== 2 || (width !== inputDim && width !== -1)) {
    throw unsupported(layer, `kernel [${kernel.shape}] does not fit the input [${x.shape}]`);
  }
  const shape = [...x.shape.slice(0, -1), units as number];
  let y = layer.graph.node('MatMul', [x, kernel], { name: `${layer.name}/matmul`, shape });
  if (layer.config['use_bias'] !== false) {
    y = layer.graph.node('Add', [y, weightConstant(layer, 'bias')], { name: `${layer.name}/add`, shape });
  }
  return activate(layer, y);
};
