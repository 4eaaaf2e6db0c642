import type { SymbolicTensor } from '../onnx/index.ts';
import {
  asFloat,
  type LayerContext,
  type LayerConverter,
  numberOption,
  unsupported,
  weight,
  weightConstant,
} from './layer.ts';
import {
  axisOf,
  cast,
  elementwise,
  matmul,
  reduce,
  reshape,
  scalar,
  shapeOf,
  transpose,
  unsqueeze,
} from './shapes.ts';

const tensorOf = (value: unknown): SymbolicTensor | undefined =>
  value !== null && typeof value === 'object' && 'dtype' in value && 'name' in value
    ? (value as SymbolicTensor)
    : undefined;

/** bool [Tq, Tv] for the last two axes of `scores`: whether a query may see a key that is not after it. */
function causalMask(layer: LayerContext, scores: SymbolicTensor): SymbolicTensor {
  const [queries, keys] = scores.shape.slice(-2) as [number, number];
  if (queries >= 0 && keys >= 0) {
    const data = Uint8Array.from({ length: queries * keys }, (_, i) =>
      Math.floor(i / keys) >= i % keys ? 1 : 0,
    );
    return layer.graph.constant(`${layer.name}/causal`, 'bool', [queries, keys], data);
  }
  const rank = scores.shape.length;
  const sizes = layer.graph.node(
    'Slice',
    [
      shapeOf(layer, scores),
      layer.graph.int64s(`${layer.name}/starts`, [rank - 2]),
      layer.graph.int64s(`${layer.name}/ends`, [rank]),
    ],
    { name: `${layer.name}/sizes`, shape: [2] },
  );
  const one = layer.graph.constant(`${layer.name}/one`, 'float32', [1], Float32Array.of(1));
  const ones = layer.graph.node('Expand', [one, sizes], {
    name: `${layer.name}/ones`,
    shape: [queries, keys],
  });
  const lower = layer.graph.node(
    'Trilu',
    [ones],
    { name: `${layer.name}/lower`, shape: [queries, keys] },
    { upper: 0n },
  );
  return cast(layer, lower, 'bool');
}

const both = (
  layer: LayerContext,
  masks: readonly (SymbolicTensor | undefined)[],
): SymbolicTensor | undefined => {
  const given = masks.filter((mask) => mask !== undefined);
  return given.length === 0 ? undefined : given.reduce((a, b) => elementwise(layer, 'And', [a, b], 'bool'));
};

const asBool = (layer: LayerContext, x: SymbolicTensor | undefined) =>
  x === undefined ? undefined : cast(layer, x, 'bool');

/** Softmax over the last axis of scores whose masked places get -1e9 added, as Keras does (in float32, where that swallows the score). */
function maskedSoftmax(
  layer: LayerContext,
  scores: SymbolicTensor,
  mask: SymbolicTensor | undefined,
  replace: boolean,
): SymbolicTensor {
  const low = scalar(layer, -1e9);
  let x = scores;
  if (mask !== undefined) {
    const away = replace ? low : elementwise(layer, 'Add', [scores, low]);
    x = elementwise(layer, 'Where', [mask, scores, away], 'float32');
  }
  return layer.graph.node(
    'Softmax',
    [x],
    { name: `${layer.name}/softmax`, shape: scores.shape },
    { axis: -1n },
  );
}

/**
 * Keras `Attention` (dot or concat scores) and `AdditiveAttention`. Inputs [query, value] or [query, value, key]:
 * [N, Tq, d], [N, Tv, d']; output [N, Tq, d'].
 * @see https://keras.io/api/layers/attention_layers/attention/
 */
export const denseAttention =
  (additive: boolean): LayerConverter =>
  (layer) => {
    const [q, v, k = v] = layer.inputs.map((input) => asFloat(layer, input)) as [
      SymbolicTensor,
      SymbolicTensor,
      SymbolicTensor?,
    ];
    const key = k as SymbolicTensor;
    const given = layer.kwargs['mask'];
    const masks = Array.isArray(given) ? given.map(tensorOf) : layer.inputs.map((input) => input.mask);
    const concatenated = additive || layer.config['score_mode'] === 'concat';
    const useScale = layer.config['use_scale'] === true || (additive && layer.config['use_scale'] !== false);
    let scores: SymbolicTensor;
    if (concatenated) {
      let sum = elementwise(layer, 'Add', [unsqueeze(layer, q, [-2]), unsqueeze(layer, key, [-3])]);
      if (!additive && useScale) sum = elementwise(layer, 'Mul', [sum, weightConstant(layer, 'scale')]);
      let bent = elementwise(layer, 'Tanh', [sum]);
      if (additive && useScale) bent = elementwise(layer, 'Mul', [bent, weightConstant(layer, 'scale')]);
      scores = reduce(layer, 'ReduceSum', bent, [-1], false);
      if (!additive)
        scores = elementwise(layer, 'Mul', [scores, weightConstant(layer, 'concat_score_weight')]);
    } else {
      scores = matmul(layer, q, transpose(layer, key, [0, 2, 1]));
      if (useScale) scores = elementwise(layer, 'Mul', [scores, weightConstant(layer, 'scale')]);
    }
    const causal = layer.kwargs['use_causal_mask'] === true || layer.config['causal'] === true;
    const valueMask = asBool(layer, masks[1]);
    const mask = both(layer, [
      valueMask === undefined ? undefined : unsqueeze(layer, valueMask, [-2]),
      causal ? causalMask(layer, scores) : undefined,
    ]);
    const shares = maskedSoftmax(layer, scores, mask, false);
    let y = matmul(layer, shares, v);
    const queryMask = asBool(layer, masks[0]);
    if (queryMask !== undefined) {
      y = {
        ...elementwise(layer, 'Mul', [y, cast(layer, unsqueeze(layer, queryMask, [-1]), 'float32')]),
        mask: queryMask,
      };
    }
    return layer.kwargs['return_attention_scores'] === true ? [y, shares] : y;
  };

/** A projection of MultiHeadAttention: [N, T, E] to [N, heads, T, size]. */
function projected(layer: LayerContext, x: SymbolicTensor, name: string, useBias: boolean): SymbolicTensor {
  const [width, heads, size] = weight(layer, `${name}/kernel`).shape as [number, number, number];
  let y = matmul(layer, x, weightConstant(layer, `${name}/kernel`, undefined, [width, heads * size]));
  if (useBias)
    y = elementwise(layer, 'Add', [y, weightConstant(layer, `${name}/bias`, undefined, [heads * size])]);
  const split = reshape(layer, y, [{ copy: 0 }, { copy: 1 }, heads, size]);
  return transpose(layer, split, [0, 2, 1, 3]);
}

/**
 * Keras `MultiHeadAttention` and Keras 3's `GroupQueryAttention` over one axis of steps: query [N, T, E], value and key [N, S, E'];
 * output [N, T, E]. Masks: of the inputs, `attention_mask`, causal; all must allow.
 * @see https://keras.io/api/layers/attention_layers/multi_head_attention/
 */
export const multiHeadAttention =
  (grouped: boolean): LayerConverter =>
  (layer) => {
    const argument = (position: number, name: string) => tensorOf(layer.kwargs[name] ?? layer.args[position]);
    const list = Array.isArray(layer.args[0]) ? layer.args[0].map(tensorOf) : undefined;
    const query = list?.[0] ?? argument(0, 'query');
    const value = list?.[1] ?? argument(1, 'value');
    const key = list?.[2] ?? argument(2, 'key') ?? value;
    if (query === undefined || value === undefined || key === undefined)
      throw unsupported(layer, 'a call without query and value');
    const axes = layer.config['attention_axes'] as number[] | null | undefined;
    const rank = query.shape.length;
    const stepsOnly =
      axes === null || axes === undefined || (axes.length === 1 && axisOf(axes[0] as number, rank) === 1);
    if (rank !== 3 || !stepsOnly)
      throw unsupported(layer, 'attention over other axes than the steps of [N, T, E]');
    for (const option of ['use_gate', 'sliding_window'])
      if (layer.config[option]) throw unsupported(layer, `${option}=${JSON.stringify(layer.config[option])}`);
    const useBias = layer.config['use_bias'] !== false;
    const q = projected(layer, asFloat(layer, query), 'query_dense', useBias);
    let k = projected(layer, asFloat(layer, key), 'key_dense', useBias);
    let v = projected(layer, asFloat(layer, value), 'value_dense', useBias);
    const heads = q.shape[1] as number;
    if (grouped)
      [k, v] = [k, v].map((x) => repeatedHeads(layer, x, heads)) as [SymbolicTensor, SymbolicTensor];
    const size = grouped ? (q.shape[3] as number) : numberOption(layer, 'key_dim', q.shape[3] as number);
    const scaled = elementwise(layer, 'Mul', [q, scalar(layer, 1 / Math.sqrt(size))]);
    let scores = matmul(layer, scaled, transpose(layer, k, [0, 1, 3, 2]));
    if ([query, value, key].some((input) => input.mask?.isDoubtful))
      throw unsupported(
        layer,
        'Keras 3 takes the mask off a tensor that attention has read, so that it depends on the order of calls who else sees it; hand it over as attention_mask',
      );
    let mask = attentionMask(layer, scores, query, value, key);
    const numbers = additiveMask(layer, [query, value, key]);
    if (numbers !== undefined) {
      scores = elementwise(layer, 'Add', [scores, numbers]);
      mask = undefined;
    }
    let shares = maskedSoftmax(layer, scores, mask, layer.dialect === 'keras-3');
    // Keras 3 has two ways to the same: only the one through its Softmax layer leaves nothing where everything is masked.
    const bySoftmax =
      layer.kwargs['return_attention_scores'] === true || numberOption(layer, 'dropout', 0) > 0;
    if (mask !== undefined && layer.dialect === 'keras-3' && bySoftmax) {
      shares = elementwise(layer, 'Where', [mask, shares, scalar(layer, 0)], 'float32');
    }
    const heard = transpose(layer, matmul(layer, shares, v), [0, 2, 1, 3]);
    const width = heads * (v.shape[3] as number);
    const joinedHeads = reshape(layer, heard, [{ copy: 0 }, { copy: 1 }, width]);
    const out = weight(layer, 'output_dense/kernel').shape;
    const outWidth = out.slice(2).reduce((a, b) => a * b, 1);
    if (out.length !== 3)
      throw unsupported(layer, `output_shape ${JSON.stringify(layer.config['output_shape'])}`);
    let y = matmul(
      layer,
      joinedHeads,
      weightConstant(layer, 'output_dense/kernel', undefined, [width, outWidth]),
    );
    if (useBias) y = elementwise(layer, 'Add', [y, weightConstant(layer, 'output_dense/bias')]);
    if (query.mask !== undefined) y = { ...y, mask: query.mask };
    return layer.kwargs['return_attention_scores'] === true ? [y, shares] : y;
  };

/** [N, groups, T, d] to [N, heads, T, d]: each group's heads one after the other. */
function repeatedHeads(layer: LayerContext, x: SymbolicTensor, heads: number): SymbolicTensor {
  const groups = x.shape[1] as number;
  const indices = layer.graph.int64s(
    `${layer.name}/heads`,
    Array.from({ length: heads }, (_, i) => Math.floor((i * groups) / heads)),
  );
  const shape = [x.shape[0] as number, heads, ...x.shape.slice(2)];
  return layer.graph.node('Gather', [x, indices], { name: `${layer.name}/repeat`, shape }, { axis: 1n });
}

/** [T, S] or [N, T, S] as [N, heads, T, S] takes it. */
function overHeads(layer: LayerContext, mask: SymbolicTensor): SymbolicTensor {
  const missing: Record<number, number[]> = { 2: [0, 1], 3: [1] };
  const axes = missing[mask.shape.length];
  return axes === undefined ? mask : unsqueeze(layer, mask, axes);
}

/** Keras 2 counts with an `attention_mask` of numbers where there is no other mask: 1 adds nothing to a score, 0 adds -1e9. */
function additiveMask(layer: LayerContext, inputs: readonly SymbolicTensor[]): SymbolicTensor | undefined {
  const given = tensorOf(layer.kwargs['attention_mask']);
  const isAlone =
    layer.kwargs['use_causal_mask'] !== true && inputs.every((input) => input.mask === undefined);
  if (layer.dialect === 'keras-3' || !isAlone || given === undefined || given.dtype === 'bool')
    return undefined;
  const missing = elementwise(layer, 'Sub', [scalar(layer, 1), overHeads(layer, asFloat(layer, given))]);
  return elementwise(layer, 'Mul', [missing, scalar(layer, -1e9)]);
}

/** bool, broadcastable to [N, heads, T, S]; undefined where nothing is masked. */
function attentionMask(
  layer: LayerContext,
  scores: SymbolicTensor,
  query: SymbolicTensor,
  value: SymbolicTensor,
  key: SymbolicTensor,
): SymbolicTensor | undefined {
  const given = (name: string, fallback: SymbolicTensor | undefined) =>
    asBool(layer, tensorOf(layer.kwargs[name]) ?? fallback);
  const queryMask = given('query_mask', query.mask);
  const valueMask = given('value_mask', value.mask);
  const keyMask = given('key_mask', key === value ? undefined : key.mask);
  const attention = asBool(layer, tensorOf(layer.kwargs['attention_mask']));
  return both(layer, [
    queryMask === undefined ? undefined : unsqueeze(layer, queryMask, [1, 3]),
    valueMask === undefined ? undefined : unsqueeze(layer, valueMask, [1, 2]),
    keyMask === undefined ? undefined : unsqueeze(layer, keyMask, [1, 2]),
    attention === undefined ? undefined : overHeads(layer, attention),
    layer.kwargs['use_causal_mask'] === true ? causalMask(layer, scores) : undefined,
  ]);
}
