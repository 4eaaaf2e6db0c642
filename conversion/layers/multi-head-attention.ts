import type { SymbolicTensor } from '../onnx/index.ts';
import { asBool, bandMask, both, causalMask, maskedSoftmax, tensorOf } from './attention-scores.ts';
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
  elementwise,
  matmul,
  repeated,
  reshape,
  scalar,
  sizeOf,
  transpose,
  unsqueeze,
} from './shapes.ts';

interface Inputs {
  readonly query: SymbolicTensor;
  readonly value: SymbolicTensor;
  readonly key: SymbolicTensor;
}

/** Axes of [N, ..., E]: attention runs along `steps`, taken in a row, in each place of `groups` by itself. */
interface Axes {
  readonly groups: readonly number[];
  readonly steps: readonly number[];
}

function inputsOf(layer: LayerContext): Inputs {
  const argument = (position: number, name: string) => tensorOf(layer.kwargs[name] ?? layer.args[position]);
  const list = Array.isArray(layer.args[0]) ? layer.args[0].map(tensorOf) : undefined;
  const query = list?.[0] ?? argument(0, 'query');
  const value = list?.[1] ?? argument(1, 'value');
  const key = list?.[2] ?? argument(2, 'key') ?? value;
  if (query === undefined || value === undefined || key === undefined)
    throw unsupported(layer, 'a call without query and value');
  return { query, value, key };
}

function axesOf(layer: LayerContext, { query, value }: Inputs): Axes {
  const rank = query.shape.length;
  const inner = Array.from({ length: rank - 2 }, (_, i) => i + 1);
  const given = layer.config['attention_axes'] as number[] | number | null | undefined;
  const steps = (given ?? null) === null ? inner : [given].flat().map((axis) => axisOf(Number(axis), rank));
  const isOpen = [query, value].some(({ shape }) => steps.some((axis) => (shape[axis] as number) < 0));
  if (steps.length > 1 && isOpen) throw unsupported(layer, 'attention over several axes of open sizes');
  return { groups: inner.filter((axis) => !steps.includes(axis)), steps };
}

/** A projection: [N, groups..., heads, steps, size] of [N, ..., E]. */
function projected(layer: LayerContext, input: SymbolicTensor, name: string, { groups, steps }: Axes) {
  const [width, heads, size] = weight(layer, `${name}/kernel`).shape as [number, number, number];
  const kernel = weightConstant(layer, `${name}/kernel`, undefined, [width, heads * size]);
  let y = matmul(layer, asFloat(layer, input), kernel);
  if (layer.config['use_bias'] !== false)
    y = elementwise(layer, 'Add', [y, weightConstant(layer, `${name}/bias`, undefined, [heads * size])]);
  y = transpose(layer, y, [0, ...groups, ...steps, y.shape.length - 1]);
  const at = groups.length + 1;
  const row = steps.length === 1 ? { copy: at } : sizeOf(y.shape.slice(at, -1));
  const kept = Array.from({ length: at }, (_, axis) => ({ copy: axis }));
  const split = reshape(layer, y, [...kept, row, heads, size]);
  return transpose(layer, split, [...kept.map(({ copy }) => copy), at + 1, at, at + 2]);
}

/** The last projection, of [N, groups..., heads, steps, size], in the order of the query's axes. */
function joinedHeads(layer: LayerContext, heard: SymbolicTensor, query: SymbolicTensor, axes: Axes) {
  const at = axes.groups.length + 1;
  const kept = Array.from({ length: at }, (_, axis) => axis);
  const [heads, , size] = heard.shape.slice(at) as [number, number, number];
  const turned = transpose(layer, heard, [...kept, at + 1, at, at + 2]);
  const row = axes.steps.map((axis) => query.shape[axis] as number);
  const joined = reshape(layer, turned, [
    ...kept.map((copy) => ({ copy })),
    ...(row.length === 1 ? [{ copy: at }] : row),
    heads * size,
  ]);
  const out = weight(layer, 'output_dense/kernel').shape.slice(2);
  const width = sizeOf(out);
  const kernel = weightConstant(layer, 'output_dense/kernel', undefined, [heads * size, width]);
  let y = matmul(layer, joined, kernel);
  if (layer.config['use_bias'] !== false)
    y = elementwise(layer, 'Add', [y, weightConstant(layer, 'output_dense/bias', undefined, [width])]);
  const order = [0, ...axes.groups, ...axes.steps];
  y = transpose(layer, y, [...order.map((_, axis) => order.indexOf(axis)), order.length]);
  if (out.length === 1) return y;
  return reshape(layer, y, [...order.map((_, axis) => ({ copy: axis })), ...out]);
}

/** Keras `MultiHeadAttention`; Keras 3's `GroupQueryAttention`, in which several heads share a key and a value. */
export const multiHeadAttention =
  (grouped: boolean): LayerConverter =>
  (layer) => {
    const inputs = inputsOf(layer);
    const { query, value, key } = inputs;
    const axes = axesOf(layer, inputs);
    const q = projected(layer, query, 'query_dense', axes);
    let k = projected(layer, key, 'key_dense', axes);
    let v = projected(layer, value, 'value_dense', axes);
    const at = axes.groups.length + 1;
    if (grouped) {
      // Each group's heads come one after the other.
      const times = (q.shape[at] as number) / (k.shape[at] as number);
      [k, v] = [repeated(layer, k, at, times, 'heads'), repeated(layer, v, at, times, 'heads')];
    }
    const size = q.shape[at + 2] as number;
    const scale = 1 / Math.sqrt(grouped ? size : numberOption(layer, 'key_dim', size));
    const scaled = elementwise(layer, 'Mul', [q, scalar(layer, scale)]);
    const turned = transpose(layer, k, [
      ...Array.from({ length: at + 1 }, (_, axis) => axis),
      at + 2,
      at + 1,
    ]);
    const shares = sharesOf(layer, matmul(layer, scaled, turned), inputs, axes);
    let heard = matmul(layer, shares, v);
    if (layer.config['use_gate'] === true) {
      const gate = elementwise(layer, 'Sigmoid', [projected(layer, query, 'gate_dense', axes)]);
      heard = elementwise(layer, 'Mul', [heard, gate]);
    }
    let y = joinedHeads(layer, heard, query, axes);
    if (query.mask !== undefined) y = { ...y, mask: query.mask };
    if (layer.kwargs['return_attention_scores'] !== true) return y;
    if (axes.steps.length > 1) throw unsupported(layer, 'scores of attention over several axes');
    return [y, shares];
  };

/** What each query hears of each key: [N, groups..., heads, T, S]. Masks: of the inputs, `attention_mask`, causal; all must allow. */
function sharesOf(layer: LayerContext, scores: SymbolicTensor, inputs: Inputs, axes: Axes): SymbolicTensor {
  const isPlain = axes.groups.length === 0 && axes.steps.length === 1;
  const numbers = additiveMask(layer, scores, inputs);
  if (numbers !== undefined) {
    if (!isPlain) throw unsupported(layer, 'an attention_mask of numbers over other axes than the steps');
    return maskedSoftmax(layer, elementwise(layer, 'Add', [scores, numbers]), undefined, false);
  }
  const isKeras3 = layer.dialect === 'keras-3';
  const mask = attentionMask(layer, scores, inputs);
  if (mask !== undefined && !isPlain)
    throw unsupported(layer, 'a mask over other axes than the steps of [N, T, E]');
  const shares = maskedSoftmax(layer, scores, mask, isKeras3);
  // Keras 3 has two ways to the same: only the one through its Softmax layer leaves nothing where everything is masked.
  const bySoftmax = layer.kwargs['return_attention_scores'] === true || numberOption(layer, 'dropout', 0) > 0;
  return mask !== undefined && isKeras3 && bySoftmax
    ? elementwise(layer, 'Where', [mask, shares, scalar(layer, 0)], 'float32')
    : shares;
}

/** [T, S] or [N, T, S] as the scores [N, heads, T, S] take it: what is missing is missing before the last two axes. */
function overHeads(layer: LayerContext, scores: SymbolicTensor, mask: SymbolicTensor): SymbolicTensor {
  const missing = scores.shape.length - mask.shape.length;
  if (missing <= 0) return mask;
  const first = mask.shape.length - 2;
  return unsqueeze(
    layer,
    mask,
    Array.from({ length: missing }, (_, i) => first + i),
  );
}

/** Keras 2 counts with an `attention_mask` of numbers where there is no other mask: 1 adds nothing to a score, 0 adds -1e9. */
function additiveMask(
  layer: LayerContext,
  scores: SymbolicTensor,
  { query, value, key }: Inputs,
): SymbolicTensor | undefined {
  const given = tensorOf(layer.kwargs['attention_mask']);
  const isAlone =
    layer.kwargs['use_causal_mask'] !== true &&
    [query, value, key].every((input) => input.mask === undefined);
  if (layer.dialect === 'keras-3' || !isAlone || given === undefined || given.dtype === 'bool')
    return undefined;
  const missing = elementwise(layer, 'Sub', [
    scalar(layer, 1),
    overHeads(layer, scores, asFloat(layer, given)),
  ]);
  return elementwise(layer, 'Mul', [missing, scalar(layer, -1e9)]);
}

/** bool, broadcastable to [N, heads, T, S]; undefined where nothing is masked. */
function attentionMask(
  layer: LayerContext,
  scores: SymbolicTensor,
  { query, value, key }: Inputs,
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
    attention === undefined ? undefined : overHeads(layer, scores, attention),
    layer.kwargs['use_causal_mask'] === true ? causalMask(layer, scores) : undefined,
    windowMask(layer, scores),
  ]);
}

/** Keras 3's `sliding_window`. */
function windowMask(layer: LayerContext, scores: SymbolicTensor): SymbolicTensor | undefined {
  const reach = layer.config['sliding_window'];
  if (typeof reach !== 'number') return undefined;
  const [queries, keys] = scores.shape.slice(-2) as [number, number];
  if (queries < 0 || keys < 0) throw unsupported(layer, 'sliding_window over an open number of steps');
  return bandMask(layer, queries, keys, reach);
}
