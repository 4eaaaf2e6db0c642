import type { Value } from '../ir.ts';
import { binary, unary } from './arithmetic.ts';
import {
  axisOf,
  type LayerContext,
  type LayerConverter,
  numberOf,
  onlyInput,
  unsupported,
  weight,
} from './layer.ts';
import { reshape } from './movement.ts';

/** A number per index of some axes, as a constant that broadcasts against values of the given rank. */
function perAxis(
  layer: LayerContext,
  name: string,
  data: Float32Array,
  sizes: readonly number[],
  axes: readonly number[],
  rank: number,
): Value {
  const shape = Array.from({ length: rank }, (_, axis) =>
    axes.includes(axis) ? (sizes[axes.indexOf(axis)] as number) : 1,
  );
  // Leading ones are implied.
  const first = shape.findIndex((size) => size !== 1);
  return layer.graph.constant(`${layer.name}/${name}`, 'float32', first < 0 ? [1] : shape.slice(first), data);
}

/** The axes of the config, counted from the front and ascending. */
function axesOf(layer: LayerContext, rank: number): number[] {
  const axis = layer.config['axis'] ?? -1;
  return [axis]
    .flat()
    .map((one) => axisOf(layer, Number(one), rank))
    .sort((a, b) => a - b);
}

/**
 * Keras `BatchNormalization` after training: x * gamma / sqrt(variance + epsilon) + the rest. The pass `foldScales` puts it into a
 * convolution or Dense before it.
 */
const batchNormalization: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const rank = x.shape.length;
  const axes = axesOf(layer, rank);
  const [mean, variance] = [weight(layer, 'moving_mean').data, weight(layer, 'moving_variance').data];
  const gamma = layer.config['scale'] === false ? undefined : weight(layer, 'gamma').data;
  const beta = layer.config['center'] === false ? undefined : weight(layer, 'beta').data;
  const epsilon = numberOf(layer, 'epsilon', 1e-3);
  const scale = Float64Array.from(variance, (v, i) => (gamma?.[i] ?? 1) / Math.sqrt(v + epsilon));
  const shift = Float32Array.from(scale, (s, i) => (beta?.[i] ?? 0) - (mean[i] as number) * s);
  const constant = (name: string, data: Float32Array) =>
    perAxis(layer, name, data, [data.length], axes, rank);
  const scaled = binary(layer, 'MUL', x, constant('scale', Float32Array.from(scale)));
  return binary(layer, 'ADD', scaled, constant('shift', shift));
};

function mean(layer: LayerContext, x: Value, axes: readonly number[]): Value {
  const shape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const operand = layer.graph.int32s(`${layer.name}/axes`, axes);
  return layer.graph.node('MEAN', [x, operand], { name: `${layer.name}/mean`, shape }, { keepDims: true });
}

/** (x - mean) / sqrt(variance + epsilon) over some axes. */
function standardized(layer: LayerContext, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = binary(layer, 'SUB', x, mean(layer, x, axes));
  const variance = mean(layer, unary(layer, 'SQUARE', centred), axes);
  return binary(layer, 'MUL', centred, unary(layer, 'RSQRT', binary(layer, 'ADD', variance, epsilon)));
}

/** gamma and beta, where the layer has them. */
function scaledAndCentred(layer: LayerContext, x: Value, axes: readonly number[]): Value {
  let y = x;
  for (const [key, name, operator] of [
    ['scale', 'gamma', 'MUL'],
    ['center', 'beta', 'ADD'],
  ] as const) {
    if (layer.config[key] === false) continue;
    const { shape, data } = weight(layer, name);
    y = binary(layer, operator, y, perAxis(layer, name, data, shape, axes, x.shape.length));
  }
  return y;
}

const layerNormalization: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  if (layer.config['rms_scaling'] === true) throw unsupported(layer, 'rms_scaling');
  const axes = axesOf(layer, x.shape.length);
  return scaledAndCentred(layer, standardized(layer, x, axes, numberOf(layer, 'epsilon', 1e-3)), axes);
};

const groupNormalization: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const rank = x.shape.length;
  const [axis = rank - 1] = axesOf(layer, rank);
  const channels = x.shape[axis] as number;
  const groups = numberOf(layer, 'groups', 32) === -1 ? channels : numberOf(layer, 'groups', 32);
  const grouped = reshape(
    layer,
    x,
    x.shape.flatMap((size, i) => (i === axis ? [groups, channels / groups] : [size])),
  );
  const over = grouped.shape.map((_, i) => i).filter((i) => i !== 0 && i !== axis);
  const even = reshape(layer, standardized(layer, grouped, over, numberOf(layer, 'epsilon', 1e-3)), x.shape);
  return scaledAndCentred(layer, even, [axis]);
};

/** x / sqrt(mean(x²) + epsilon) * scale. */
const rmsNormalization: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const axes = axesOf(layer, x.shape.length);
  const size = mean(layer, unary(layer, 'SQUARE', x), axes);
  const epsilon = numberOf(layer, 'epsilon', 1e-6);
  const even = binary(layer, 'MUL', x, unary(layer, 'RSQRT', binary(layer, 'ADD', size, epsilon)));
  const { shape, data } = weight(layer, 'scale');
  return binary(layer, 'MUL', even, perAxis(layer, 'scale', data, shape, axes, x.shape.length));
};

/** Keras `Normalization`: statistics of the data, kept as variables or in the config. */
const normalization: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const rank = x.shape.length;
  const axes = layer.config['axis'] === null ? [] : axesOf(layer, rank);
  const statistic = (name: 'mean' | 'variance') => {
    const given = layer.config[name] ?? undefined;
    return given === undefined
      ? weight(layer, name).data
      : Float32Array.from([given].flat(Number.POSITIVE_INFINITY) as number[]);
  };
  const deviation = statistic('variance').map((v) => Math.max(Math.sqrt(v), 1e-7));
  const isInverse = layer.config['invert'] === true;
  const axisSizes = axes.map((axis) => x.shape[axis] as number);
  const filled = (data: Float32Array) => {
    const count = axisSizes.reduce((a, b) => a * b, 1);
    return data.length === count ? data : new Float32Array(count).fill(data[0] as number);
  };
  const constant = (name: string, data: Float32Array) =>
    perAxis(layer, name, filled(data), axisSizes, axes, rank);
  const [centre, spread] = [constant('mean', statistic('mean')), constant('deviation', deviation)];
  return isInverse
    ? binary(layer, 'ADD', binary(layer, 'MUL', x, spread), centre)
    : binary(layer, 'DIV', binary(layer, 'SUB', x, centre), spread);
};

/** Keras `Rescaling`: x * scale + offset. */
const rescaling: LayerConverter = (layer) => {
  const operand = (key: string, fallback: number) => {
    const value = layer.config[key] ?? fallback;
    if (!Array.isArray(value)) return numberOf(layer, key, fallback);
    return layer.graph.constant(`${layer.name}/${key}`, 'float32', [value.length], Float32Array.from(value));
  };
  const scaled = binary(layer, 'MUL', onlyInput(layer), operand('scale', 1));
  const offset = operand('offset', 0);
  return offset === 0 ? scaled : binary(layer, 'ADD', scaled, offset);
};

/** Keras's normalizing layers. */
export const normalizations = {
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalization,
  Normalization: normalization,
  RMSNormalization: rmsNormalization,
  Rescaling: rescaling,
} as const satisfies Record<string, LayerConverter>;
