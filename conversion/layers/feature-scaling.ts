import type { SymbolicTensor } from '../onnx/index.ts';
import {
  floatInput,
  type LayerContext,
  type LayerConverter,
  unsupported,
  weight,
  weightConstant,
} from './layer.ts';
import { anywhere } from './layout.ts';
import { axisOf, elementwise, scalar } from './shapes.ts';

const numbersIn = (value: unknown): number[] => [value].flat(8).map(Number);

/** One number for all, or one for each place of the last axis. */
function operand(layer: LayerContext, name: string, values: readonly number[]): SymbolicTensor {
  if (values.length === 1) return scalar(layer, values[0] as number);
  return layer.graph.constant(`${layer.name}/${name}`, 'float32', [values.length], Float32Array.from(values));
}

/** Keras `Rescaling`: x * scale + offset. */
export const rescaling: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const scale = numbersIn(layer.config['scale']);
  const offset = numbersIn(layer.config['offset'] ?? 0);
  const apply = (value: SymbolicTensor) => {
    const scaled = elementwise(layer, 'Mul', [value, operand(layer, 'scale', scale)]);
    return offset.every((v) => v === 0)
      ? scaled
      : elementwise(layer, 'Add', [scaled, operand(layer, 'offset', offset)]);
  };
  const uniform = scale.length === 1 && offset.length === 1;
  return uniform ? anywhere(layer, [x], ([value]) => apply(value as SymbolicTensor)) : apply(x);
};

const keras = { epsilon: 1e-7 };

/**
 * Keras `Normalization`: (x - mean) / max(sqrt(variance), 1e-7), or back where `invert` is set. The statistics are variables where
 * they were adapted, and part of the config where they were given.
 * @see https://keras.io/api/layers/preprocessing_layers/numerical/normalization/
 */
export const normalization: LayerConverter = (layer) => {
  const x = floatInput(layer);
  const given = (layer.config['mean'] ?? null) !== null;
  const mean = given ? numbersIn(layer.config['mean']) : Array.from(weight(layer, 'mean').data);
  const variance = given ? numbersIn(layer.config['variance']) : Array.from(weight(layer, 'variance').data);
  const deviation = variance.map((v) => Math.max(Math.sqrt(v), keras.epsilon));
  const wanted = layer.config['axis'] ?? [];
  const rank = x.shape.length;
  const axes = [wanted].flat().map((axis) => axisOf(Number(axis), rank));
  // One number for each place of the axes, or one for all; the others are broadcast.
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? size : 1));
  const isEach = mean.length > 1;
  if (isEach && kept.reduce((a, b) => a * b, 1) !== mean.length)
    throw unsupported(layer, `${mean.length} means for axis=${JSON.stringify(wanted)} of [${x.shape}]`);
  const statistic = (name: string, values: readonly number[]) =>
    isEach
      ? layer.graph.constant(`${layer.name}/${name}`, 'float32', kept, Float32Array.from(values))
      : scalar(layer, values[0] as number);
  const [m, d] = [statistic('mean', mean), statistic('deviation', deviation)];
  return layer.config['invert'] === true
    ? elementwise(layer, 'Add', [elementwise(layer, 'Mul', [x, d]), m])
    : elementwise(layer, 'Div', [elementwise(layer, 'Sub', [x, m]), d]);
};

/** `LayerScale` of keras.applications' ConvNeXt: x * gamma, one for each channel. */
export const layerScale: LayerConverter = (layer) =>
  elementwise(layer, 'Mul', [floatInput(layer), weightConstant(layer, 'gamma')]);
