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
import { elementwise, scalar } from './shapes.ts';

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
  const wanted = layer.config['axis'] ?? -1;
  const axes = (Array.isArray(wanted) ? wanted : [wanted]).map(Number);
  const rank = x.shape.length;
  const isLast = axes.length === 0 || (axes.length === 1 && (axes[0] === -1 || axes[0] === rank - 1));
  if (!isLast && mean.length !== 1)
    throw unsupported(layer, `axis=${JSON.stringify(wanted)}: the last one is supported`);
  const [m, d] = [operand(layer, 'mean', mean), operand(layer, 'deviation', deviation)];
  return layer.config['invert'] === true
    ? elementwise(layer, 'Add', [elementwise(layer, 'Mul', [x, d]), m])
    : elementwise(layer, 'Div', [elementwise(layer, 'Sub', [x, m]), d]);
};

/** `LayerScale` of keras.applications' ConvNeXt: x * gamma, one for each channel. */
export const layerScale: LayerConverter = (layer) =>
  elementwise(layer, 'Mul', [floatInput(layer), weightConstant(layer, 'gamma')]);
