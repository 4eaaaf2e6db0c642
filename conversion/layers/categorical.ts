import type { SymbolicTensor } from '../onnx/index.ts';
import {
  asFloat,
  type LayerContext,
  type LayerConverter,
  numberOption,
  onlyInput,
  unsupported,
} from './layer.ts';
import { cast, elementwise, reduce, scalar, squeeze, unsqueeze } from './shapes.ts';

/**
 * Whole numbers as `one_hot`, `multi_hot`, `count` or `int`, by Keras's rules for the shape.
 * @param weights what each of them counts in `count`, in their own shape; 1 where it is left out
 */
function encoded(
  layer: LayerContext,
  indices: SymbolicTensor,
  mode: string,
  depth: number,
  weights?: SymbolicTensor,
): SymbolicTensor {
  if (mode === 'int') return cast(layer, indices, 'int64');
  const rank = indices.shape.length;
  if (rank > 2 && mode !== 'one_hot') throw unsupported(layer, `output_mode '${mode}' for rank ${rank}`);
  const places = layer.graph.constant(
    `${layer.name}/places`,
    'int64',
    [depth],
    BigInt64Array.from({ length: depth }, (_, i) => BigInt(i)),
  );
  const whole = cast(layer, indices, 'int64');
  const found = elementwise(layer, 'Equal', [unsqueeze(layer, whole, [-1]), places], 'bool');
  const ones = cast(layer, found, 'float32');
  const hot =
    weights === undefined ? ones : elementwise(layer, 'Mul', [ones, unsqueeze(layer, weights, [-1])]);
  if (mode === 'one_hot') return rank > 1 && indices.shape.at(-1) === 1 ? squeeze(layer, hot, [-2]) : hot;
  if (mode !== 'multi_hot' && mode !== 'count') throw unsupported(layer, `output_mode '${mode}'`);
  if (rank === 1) return hot;
  return reduce(layer, mode === 'count' ? 'ReduceSum' : 'ReduceMax', hot, [-2], false);
}

/**
 * Keras `CategoryEncoding` of whole numbers in [0, num_tokens).
 * @see https://keras.io/api/layers/preprocessing_layers/categorical/category_encoding/
 */
export const categoryEncoding: LayerConverter = (layer) => {
  const [indices, positional] = layer.inputs as [SymbolicTensor, SymbolicTensor?];
  const weights = (layer.kwargs['count_weights'] as SymbolicTensor | null | undefined) ?? positional;
  const mode = String(layer.config['output_mode'] ?? 'multi_hot');
  const depth = numberOption(layer, 'num_tokens', 0);
  if (weights === undefined) return encoded(layer, indices, mode, depth);
  if (mode !== 'count' || indices.shape.length !== 2)
    throw unsupported(layer, `count_weights with output_mode '${mode}' of [${indices.shape}]`);
  return encoded(layer, indices, mode, depth, asFloat(layer, weights));
};

/**
 * Keras `Discretization`: the number of boundaries that the value is not below.
 * @see https://keras.io/api/layers/preprocessing_layers/numerical/discretization/
 */
export const discretization: LayerConverter = (layer) => {
  const x = asFloat(layer, onlyInput(layer));
  const boundaries = (layer.config['bin_boundaries'] as number[] | null) ?? undefined;
  if (boundaries === undefined)
    throw unsupported(layer, 'its boundaries are not in the config; give bin_boundaries');
  const limits = layer.graph.constant(
    `${layer.name}/boundaries`,
    'float32',
    [boundaries.length],
    Float32Array.from(boundaries),
  );
  // What is no number is below no boundary, and so in the last bin.
  const below = elementwise(layer, 'Less', [unsqueeze(layer, x, [-1]), limits], 'bool');
  const above = cast(layer, elementwise(layer, 'Not', [below], 'bool'), 'int64');
  const bin = reduce(layer, 'ReduceSum', above, [-1], false);
  return encoded(layer, bin, String(layer.config['output_mode'] ?? 'int'), boundaries.length + 1);
};

/**
 * Keras `IntegerLookup` with its vocabulary in the config. What is not in it gets the first of its indices, or of several the one that the
 * remainder of the division by their number chooses; where there is none, at which Keras stops, -1.
 * @see https://keras.io/api/layers/preprocessing_layers/categorical/integer_lookup/
 */
export const integerLookup: LayerConverter = (layer) => {
  const x = cast(layer, onlyInput(layer), 'int64');
  const vocabulary = layer.config['vocabulary'];
  const unknown = numberOption(layer, 'num_oov_indices', 1);
  const mask = layer.config['mask_token'];
  const odd = ['invert', 'sparse', 'pad_to_max_tokens'].find((key) => layer.config[key] === true);
  if (odd !== undefined) throw unsupported(layer, odd);
  if (!Array.isArray(vocabulary) || vocabulary.length === 0)
    throw unsupported(layer, 'its vocabulary is not in the config');
  if (unknown > 1 && (layer.config['oov_method'] ?? 'floormod') !== 'floormod')
    throw unsupported(layer, `oov_method '${String(layer.config['oov_method'])}'`);
  const hasMask = typeof mask === 'number';
  const mode = String(layer.config['output_mode'] ?? 'int');
  const tokens = vocabulary
    .map(Number)
    .filter((token) => token !== mask && token !== layer.config['oov_token']);
  // Index 0 is the mask's in `int` mode; encoded outputs have no place for it.
  const firstUnknown = hasMask && mode === 'int' ? 1 : 0;
  const firstIndex = firstUnknown + unknown;
  const words = layer.graph.constant(
    `${layer.name}/vocabulary`,
    'int64',
    [tokens.length],
    BigInt64Array.from(tokens, BigInt),
  );
  const hit = cast(layer, elementwise(layer, 'Equal', [unsqueeze(layer, x, [-1]), words], 'bool'), 'int64');
  const numbers = layer.graph.constant(
    `${layer.name}/offsets`,
    'int64',
    [tokens.length],
    BigInt64Array.from(tokens, (_, i) => BigInt(i + 1)),
  );
  const found = reduce(layer, 'ReduceSum', elementwise(layer, 'Mul', [hit, numbers]), [-1], false);
  let index = elementwise(layer, 'Add', [found, scalar(layer, firstIndex - 1, 'int64')]);
  if (unknown > 1) {
    const isUnknown = elementwise(layer, 'Equal', [found, scalar(layer, 0, 'int64')], 'bool');
    const rest = elementwise(layer, 'Mod', [x, scalar(layer, unknown, 'int64')]);
    const bucket = elementwise(layer, 'Add', [rest, scalar(layer, firstUnknown, 'int64')]);
    index = elementwise(layer, 'Where', [isUnknown, bucket, index], 'int64');
  }
  if (hasMask && mode === 'int') {
    const isMask = elementwise(layer, 'Equal', [x, scalar(layer, mask, 'int64')], 'bool');
    index = elementwise(layer, 'Where', [isMask, scalar(layer, 0, 'int64'), index], 'int64');
  } else if (hasMask) throw unsupported(layer, `a mask_token with output_mode '${mode}'`);
  return encoded(layer, index, mode, tokens.length + unknown);
};
