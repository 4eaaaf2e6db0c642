import { variableOf } from '../keras/model.ts';
import { elementCount, type SymbolicTensor } from '../onnx/index.ts';
import {
  floatInput,
  type LayerContext,
  type LayerConverter,
  numberOption,
  weight,
  weightConstant,
} from './layer.ts';
import { channelsFirst, channelsLast } from './layout.ts';
import { axisOf, elementwise, transpose } from './shapes.ts';

const constant = (layer: LayerContext, name: string, size: number, value: number) =>
  layer.graph.constant(`${layer.name}/${name}`, 'float32', [size], new Float32Array(size).fill(value));

/** The four operands of ONNX's BatchNormalization. */
function statistics(layer: LayerContext): SymbolicTensor[] {
  const size = elementCount(weight(layer, 'moving_mean').shape);
  return [
    layer.config['scale'] === false ? constant(layer, 'gamma', size, 1) : weightConstant(layer, 'gamma'),
    layer.config['center'] === false ? constant(layer, 'beta', size, 0) : weightConstant(layer, 'beta'),
    weightConstant(layer, 'moving_mean'),
    weightConstant(layer, 'moving_variance'),
  ];
}

/** x * a + b along the last axis, both computed in float64: for values whose channels are last anyway. */
function scaledAndShifted(layer: LayerContext, x: SymbolicTensor): SymbolicTensor {
  const movingMean = weight(layer, 'moving_mean');
  const { data: mean } = movingMean;
  const variance = weight(layer, 'moving_variance').data;
  const gamma = layer.config['scale'] === false ? undefined : weight(layer, 'gamma').data;
  const beta = layer.config['center'] === false ? undefined : weight(layer, 'beta').data;
  const epsilon = numberOption(layer, 'epsilon', 1e-3);
  const scale = Array.from(variance, (v, i) => (gamma?.[i] ?? 1) / Math.sqrt(v + epsilon));
  const shift = scale.map((s, i) => (beta?.[i] ?? 0) - (mean[i] as number) * s);
  const vector = (name: string, values: number[]) =>
    layer.graph.once(variableOf(movingMean), name, () =>
      layer.graph.constant(`${layer.name}/${name}`, 'float32', [values.length], Float32Array.from(values)),
    );
  const product = elementwise(layer, 'Mul', [x, vector('scale', scale)]);
  return elementwise(layer, 'Add', [product, vector('shift', shift)]);
}

/**
 * Keras `BatchNormalization` with the statistics of training: ONNX `BatchNormalization` where the channels are first.
 * @see https://keras.io/api/layers/normalization_layers/batch_normalization/
 */
export const batchNormalization: LayerConverter = (layer) => {
  const x = floatInput({ ...layer, inputs: layer.inputs.slice(0, 1) });
  const rank = x.shape.length;
  const wanted = layer.config['axis'];
  const axis = axisOf(Number(Array.isArray(wanted) ? wanted[0] : (wanted ?? -1)), rank);
  const epsilon = numberOption(layer, 'epsilon', 1e-3);
  const normalize = (value: SymbolicTensor) =>
    layer.graph.node(
      'BatchNormalization',
      [value, ...statistics(layer)],
      { name: `${layer.name}/normalize`, shape: value.shape },
      { epsilon },
    );
  if (axis === 1) return normalize(x);
  if (axis === rank - 1 && x.channelsFirst !== undefined)
    return channelsLast(layer, normalize(channelsFirst(layer, x)));
  if (axis === rank - 1) return scaledAndShifted(layer, x);
  const perm = [0, axis, ...Array.from({ length: rank - 1 }, (_, i) => i + 1).filter((i) => i !== axis)];
  const back = perm.map((_, i) => perm.indexOf(i));
  return transpose(layer, normalize(transpose(layer, x, perm)), back);
};
