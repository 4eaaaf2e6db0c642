import type { SymbolicTensor } from '../onnx/index.ts';
import {
  floatInput,
  type LayerContext,
  type LayerConverter,
  numberOption,
  unsupported,
  weight,
  weightConstant,
} from './layer.ts';
import { axisOf, elementwise, reduce, reshape, scalar } from './shapes.ts';

function axesOf(layer: LayerContext, rank: number): number[] {
  const wanted = layer.config['axis'] ?? -1;
  return (Array.isArray(wanted) ? wanted : [wanted])
    .map((axis) => axisOf(Number(axis), rank))
    .sort((a, b) => a - b);
}

/** A variable over some axes, with sizes of 1 for the others: as Keras does, in the order of its numbers, whatever the order of its axes. */
function along(
  layer: LayerContext,
  name: string,
  x: SymbolicTensor,
  axes: readonly number[],
): SymbolicTensor {
  const [only] = weight(layer, name).shape;
  const dims = x.shape.map((size, i) =>
    !axes.includes(i) ? 1 : axes.length === 1 ? (only as number) : size,
  );
  return weightConstant(layer, name, undefined, dims);
}

/** (x - mean) / sqrt(variance + epsilon) over some axes. */
function standardized(
  layer: LayerContext,
  x: SymbolicTensor,
  axes: readonly number[],
  epsilon: number,
): SymbolicTensor {
  const centered = elementwise(layer, 'Sub', [x, reduce(layer, 'ReduceMean', x, axes, true)]);
  return dividedByRoot(layer, centered, axes, epsilon);
}

/** x / sqrt(mean(x²) + epsilon). */
function dividedByRoot(
  layer: LayerContext,
  x: SymbolicTensor,
  axes: readonly number[],
  epsilon: number,
): SymbolicTensor {
  const squares = reduce(layer, 'ReduceMean', elementwise(layer, 'Mul', [x, x]), axes, true);
  const root = elementwise(layer, 'Sqrt', [elementwise(layer, 'Add', [squares, scalar(layer, epsilon)])]);
  return elementwise(layer, 'Div', [x, root]);
}

/**
 * Keras `LayerNormalization`: ONNX `LayerNormalization` over the last axis, by its parts over others.
 * @see https://keras.io/api/layers/normalization_layers/layer_normalization/
 */
export const layerNormalization: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const rank = x.shape.length;
  const axes = axesOf(layer, rank);
  const epsilon = numberOption(layer, 'epsilon', 1e-3);
  const scale = layer.config['scale'] !== false;
  const center = layer.config['center'] !== false;
  if (layer.config['rms_scaling'] === true) throw unsupported(layer, 'rms_scaling; use RMSNormalization');
  if (axes.includes(0)) throw unsupported(layer, 'axis 0: an answer would depend on the other rows');
  const last = axes.length === 1 && axes[0] === rank - 1;
  if (last && scale) {
    const operands = [x, weightConstant(layer, 'gamma'), ...(center ? [weightConstant(layer, 'beta')] : [])];
    return layer.graph.node(
      'LayerNormalization',
      operands,
      { name: `${layer.name}/normalize`, shape: x.shape },
      { axis: -1n, epsilon },
    );
  }
  let y = standardized(layer, x, axes, epsilon);
  if (scale) y = elementwise(layer, 'Mul', [y, along(layer, 'gamma', x, axes)]);
  return center ? elementwise(layer, 'Add', [y, along(layer, 'beta', x, axes)]) : y;
};

/** Keras 3 `RMSNormalization`: x * scale / sqrt(mean(x²) + epsilon). */
export const rmsNormalization: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const axes = axesOf(layer, x.shape.length);
  const y = dividedByRoot(layer, x, axes, numberOption(layer, 'epsilon', 1e-6));
  return elementwise(layer, 'Mul', [y, along(layer, 'scale', x, axes)]);
};

/** Keras `UnitNormalization`: length 1 over some axes. Keras 2: sqrt(max(sum x², 1e-12)); Keras 3: max(sqrt(sum x²), 1e-12). */
export const unitNormalization: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const axes = axesOf(layer, x.shape.length);
  const sum = reduce(layer, 'ReduceSum', elementwise(layer, 'Mul', [x, x]), axes, true);
  const least = scalar(layer, 1e-12);
  const length =
    layer.dialect === 'keras-3'
      ? elementwise(layer, 'Max', [elementwise(layer, 'Sqrt', [sum]), least])
      : elementwise(layer, 'Sqrt', [elementwise(layer, 'Max', [sum, least])]);
  return elementwise(layer, 'Div', [x, length]);
};

/**
 * Keras `GroupNormalization`: over space and the channels of a group; -1 groups are one for each channel.
 * @see https://keras.io/api/layers/normalization_layers/group_normalization/
 */
export const groupNormalization: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const rank = x.shape.length;
  const axis = axisOf(numberOption(layer, 'axis', -1), rank);
  const channels = x.shape[axis] as number;
  const wanted = numberOption(layer, 'groups', 32);
  const groups = wanted === -1 ? channels : wanted;
  if (channels < 1 || channels % groups !== 0)
    throw unsupported(layer, `${groups} groups of ${channels} channels`);
  if (layer.inputs[0]?.mask !== undefined && layer.dialect !== 'keras-3')
    throw unsupported(layer, 'a mask on its input');
  const split = x.shape.flatMap((_, i): (number | { copy: number })[] =>
    i === axis ? [groups, channels / groups] : [{ copy: i }],
  );
  const grouped = reshape(layer, x, split);
  const axes = Array.from({ length: rank }, (_, i) => i + 1).filter((i) => i !== axis);
  const normal = standardized(layer, grouped, axes, numberOption(layer, 'epsilon', 1e-3));
  const shape = layer.graph.node('Shape', [x], {
    name: `${layer.name}/shape`,
    shape: [rank],
    dtype: 'int64',
  });
  let y = layer.graph.node('Reshape', [normal, shape], { name: `${layer.name}/ungroup`, shape: x.shape });
  if (layer.config['scale'] !== false) y = elementwise(layer, 'Mul', [y, along(layer, 'gamma', x, [axis])]);
  return layer.config['center'] === false
    ? y
    : elementwise(layer, 'Add', [y, along(layer, 'beta', x, [axis])]);
};
