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

/** Whole numbers as `one_hot`, `multi_hot`, `count` or `int`, by Keras's rules for the shape. */
function encoded(layer: LayerContext, indices: SymbolicTensor, mode: string, depth: number): SymbolicTensor {
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
  const hot = cast(
    layer,
    elementwise(layer, 'Equal', [unsqueeze(layer, whole, [-1]), places], 'bool'),
    'float32',
  );
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
  if (layer.inputs.length > 1 || layer.kwargs['count_weights']) throw unsupported(layer, 'count_weights');
  return encoded(
    layer,
    onlyInput(layer),
    String(layer.config['output_mode'] ?? 'multi_hot'),
    numberOption(layer, 'num_tokens', 0),
  );
};

/**
 * Keras `Discretization`: the number of boundaries that are not above the value.
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
  const above = cast(
    layer,
    elementwise(layer, 'GreaterOrEqual', [unsqueeze(layer, x, [-1]), limits], 'bool'),
    'int64',
  );
  const bin = reduce(layer, 'ReduceSum', above, [-1], false);
  return encoded(layer, bin, String(layer.config['output_mode'] ?? 'int'), boundaries.length + 1);
};

/**
 * Keras `IntegerLookup` with its vocabulary in the config and at most one index for what is not in it.
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
  if (unknown !== 1) throw unsupported(layer, `num_oov_indices=${unknown}`);
  const hasMask = typeof mask === 'number';
  const mode = String(layer.config['output_mode'] ?? 'int');
  const tokens = vocabulary
    .map(Number)
    .filter((token) => token !== mask && token !== layer.config['oov_token']);
  // Index 0 is the mask's in `int` mode; encoded outputs have no place for it.
  const firstIndex = hasMask && mode === 'int' ? 2 : 1;
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
  if (hasMask && mode === 'int') {
    const isMask = elementwise(layer, 'Equal', [x, scalar(layer, mask, 'int64')], 'bool');
    index = elementwise(layer, 'Where', [isMask, scalar(layer, 0, 'int64'), index], 'int64');
  } else if (hasMask) throw unsupported(layer, `a mask_token with output_mode '${mode}'`);
  return encoded(layer, index, mode, tokens.length + 1);
};
