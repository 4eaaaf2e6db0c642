import { ConversionError } from '../errors.ts';
import { isModel } from '../keras/graph.ts';
import {
  type LayerConfig,
  layerName,
  layersOf,
  named,
  quantizationOf,
  type Weight,
  weightsUnder,
} from '../keras/model.ts';

/** Where in `[..., output...]` each dimension of an EinsumDense kernel is scaled; -1 where it is summed over. */
function einsumScaleAxes(equation: string): { kernel: string; output: string } {
  const [operands = '', output = ''] = equation.replaceAll(' ', '').split('->');
  return { kernel: operands.split(',')[1] ?? '', output };
}

/** int8 values divided by the scale of their output channel: what Keras multiplies with, but for the rounding of activations. */
function scaled(layer: LayerConfig, weight: Weight, scale: Weight): Weight {
  const { shape, data } = weight;
  const { data: scales } = scale;
  const out = new Float32Array(data.length);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  let scaleIndex: (at: readonly number[]) => number = (at) => at.at(-1) as number;
  if (weight.name === 'embeddings') scaleIndex = (at) => at[0] as number;
  if (layer.class_name === 'EinsumDense') {
    const { kernel, output } = einsumScaleAxes(String(layer.config['equation']));
    const kept = [...output].filter((label) => kernel.includes(label));
    scaleIndex = (at) =>
      kept.reduce((index, label) => {
        const axis = kernel.indexOf(label);
        return index * (shape[axis] as number) + (at[axis] as number);
      }, 0);
  }
  const at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    for (let axis = 0; axis < shape.length; axis++) {
      at[axis] = Math.floor(i / (strides[axis] as number)) % (shape[axis] as number);
    }
    out[i] = (data[i] as number) / (scales[scaleIndex(at)] as number);
  }
  return { name: weight.name, shape, data: out };
}

/**
 * The weights of a layer as floating point. `model.quantize("int8")` leaves an int8 array and its scale; other modes are refused.
 * Nested models are gone through.
 */
export function dequantized(layer: LayerConfig, weights: readonly Weight[]): Weight[] {
  if (isModel(layer)) {
    return layersOf(layer).flatMap((inner) => {
      const prefix = `layers/${layerName(inner)}`;
      return dequantized(inner, weightsUnder(weights, prefix)).map((weight) =>
        named(`${prefix}/${weight.name}`, weight),
      );
    });
  }
  const mode = quantizationOf(layer.config);
  if (mode === undefined) return [...weights];
  if (mode !== 'int8') {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_LAYER',
      `Layer '${layerName(layer)}' (${layer.class_name}) is quantized as ${mode}; int8 is read`,
    );
  }
  return weights.flatMap((weight) => {
    if (weight.name.endsWith('_scale')) return [];
    const scale = weights.find(({ name }) => name === `${weight.name}_scale`);
    return [scale === undefined ? weight : scaled(layer, weight, scale)];
  });
}
