import { softmax } from './functions.ts';
import { type Evaluate, flag, isTensor, type LayerInput, number, optional, variable } from './layer-input.ts';
import {
  axisAt,
  generate,
  get,
  map,
  permute,
  product,
  reshaped,
  sizeOf,
  sum,
  type Tensor,
  zip,
} from './tensor.ts';

/** float32's sum: next to -1e9 a score is nothing, and Keras's answers show it where all keys of a query are as far. 1 masks nothing. */
const pushed = (score: number, mask: number) =>
  mask === 1 ? score : Math.fround(Math.fround(score) + Math.fround(Math.fround(1 - mask) * -1e9));

/** Softmax of scores [..., T, S]; where `allowed` says 0 the score is pushed away. */
function shares(
  scores: Tensor,
  allowed: ((at: readonly number[]) => boolean) | undefined,
  replace: boolean,
): Tensor {
  if (allowed === undefined) return softmax(scores);
  return softmax(
    generate(scores.shape, (at) => {
      const score = get(scores, at);
      return allowed(at) ? score : replace ? -1e9 : pushed(score, 0);
    }),
  );
}

const heard = (shape: Tensor, value: Tensor) => product(shape, value);

export const denseAttention =
  (additive: boolean): Evaluate =>
  (input) => {
    const [q, v, k = v] = input.inputs as [Tensor, Tensor, Tensor?];
    const key = k as Tensor;
    const given = input.kwargs['mask'];
    const masks = Array.isArray(given) ? given : input.inputs.map((x) => x.mask);
    const scale = optional(input, 'scale');
    const [batch, queries, width] = q.shape as [number, number, number];
    const keys = key.shape[1] as number;
    let scores: Tensor;
    if (additive || input.layer.config['score_mode'] === 'concat') {
      const factor = additive ? undefined : scale;
      const total = generate([batch, queries, keys, width], ([n, i, j, d]) => {
        const both = get(q, [n, i, d] as number[]) + get(key, [n, j, d] as number[]);
        const bent = Math.tanh(factor === undefined ? both : both * (factor.data[0] as number));
        return additive && scale !== undefined
          ? bent * (scale.data[(d as number) % scale.data.length] as number)
          : bent;
      });
      scores = sum(total, [-1]);
      if (!additive) scores = zip(scores, variable(input, 'concat_score_weight'), (a, b) => a * b);
    } else {
      scores = product(q, permute(key, [0, 2, 1]));
      if (scale !== undefined) scores = map(scores, (s) => s * (scale.data[0] as number));
    }
    const causal = input.kwargs['use_causal_mask'] === true || flag(input, 'causal', false);
    const valueMask = isTensor(masks[1]) ? masks[1] : undefined;
    const allowed =
      valueMask === undefined && !causal
        ? undefined
        : ([n, i, j]: readonly number[]) =>
            (valueMask === undefined || get(valueMask, [n, j] as number[]) !== 0) &&
            (!causal || (i as number) >= (j as number));
    const weights = shares(scores, allowed, false);
    const y = heard(weights, v);
    const queryMask = isTensor(masks[0]) ? masks[0] : undefined;
    const out =
      queryMask === undefined
        ? y
        : {
            ...zip(
              y,
              reshaped({ shape: queryMask.shape, data: queryMask.data }, [...queryMask.shape, 1]),
              (a, b) => a * b,
            ),
            mask: queryMask,
          };
    return input.kwargs['return_attention_scores'] === true ? [out, weights] : out;
  };

/** [N, T, E] through a kernel [E, heads, size] to [N, heads, T, size]. */
function project(input: LayerInput, x: Tensor, name: string): Tensor {
  const kernel = variable(input, `${name}/kernel`);
  const bias = optional(input, `${name}/bias`);
  const [width, heads, size] = kernel.shape as [number, number, number];
  let flat = product(x, reshaped(kernel, [width, heads * size]));
  if (bias !== undefined) flat = zip(flat, reshaped(bias, [heads * size]), (a, b) => a + b);
  return permute(reshaped(flat, [...x.shape.slice(0, 2), heads, size]), [0, 2, 1, 3]);
}

/** An `attention_mask` of [T, S], [N, T, S] or [N, heads, T, S] at a place of the scores. */
function explicitAt(mask: Tensor, at: readonly number[]): number {
  const [n, , i, j] = at;
  const places = { 2: [i, j], 3: [n, i, j] }[mask.shape.length] ?? at;
  return get(
    mask,
    mask.shape.map((dim, axis) => (dim === 1 ? 0 : (places[axis] as number))),
  );
}

/** Attention along some axes of [N, ..., E] is attention over [N * others, those in a row, E]; `back` takes a result to the first form. */
function alongAxes(input: LayerInput, query: Tensor) {
  const inner = query.shape.slice(1, -1).map((_, i) => i + 1);
  const given = input.layer.config['attention_axes'] ?? null;
  const steps =
    given === null ? inner : [given].flat().map((axis) => axisAt(Number(axis), query.shape.length));
  const others = inner.filter((axis) => !steps.includes(axis));
  const order = [0, ...others, ...steps];
  const sizes = (x: Tensor, axes: readonly number[]) => axes.map((axis) => x.shape[axis] as number);
  const flat = (x: Tensor): Tensor =>
    order.length === 2
      ? x
      : reshaped(permute(x, [...order, order.length]), [
          sizeOf(sizes(x, [0, ...others])),
          sizeOf(sizes(x, steps)),
          -1,
        ]);
  const back = (y: Tensor): Tensor => {
    if (order.length === 2) return y;
    const whole = reshaped(y, [...sizes(query, order), ...y.shape.slice(2)]);
    return permute(whole, [
      ...order.map((_, axis) => order.indexOf(axis)),
      ...y.shape.slice(2).map((_, i) => order.length + i),
    ]);
  };
  const scores = (weights: Tensor) =>
    reshaped(weights, [...sizes(query, [0, ...others]), ...weights.shape.slice(1)]);
  return { flat, back, scores };
}

export const multiHeadAttention: Evaluate = (input) => {
  const { args, kwargs } = input;
  const list = Array.isArray(args[0]) ? (args[0] as Tensor[]) : undefined;
  const whole = list?.[0] ?? ((args[0] ?? kwargs['query']) as Tensor);
  const wholeValue = list?.[1] ?? ((args[1] ?? kwargs['value']) as Tensor);
  const wholeKey = list?.[2] ?? ((args[2] ?? kwargs['key'] ?? wholeValue) as Tensor);
  const { flat, back, scores: inShape } = alongAxes(input, whole);
  const query = flat(whole);
  const value = flat(wholeValue);
  const key = wholeKey === wholeValue ? value : flat(wholeKey);
  const q = project(input, query, 'query_dense');
  let k = project(input, key, 'key_dense');
  let v = project(input, value, 'value_dense');
  const [batch, heads, , size] = q.shape as [number, number, number, number];
  const groups = k.shape[1] as number;
  const spread = (x: Tensor) =>
    generate([batch, heads, ...x.shape.slice(2)], ([n, h, t, d]) =>
      get(x, [n, Math.floor(((h as number) * groups) / heads), t, d] as number[]),
    );
  if (groups !== heads) [k, v] = [spread(k), spread(v)];
  const factor = 1 / Math.sqrt(number(input, ['key_dim'], size));
  const scores = map(product(q, permute(k, [0, 1, 3, 2])), (s) => s * factor);
  const maskOf = (name: string, other: Tensor | undefined) =>
    isTensor(kwargs[name]) ? (kwargs[name] as Tensor) : other;
  const [qm, vm, km] = [
    maskOf('query_mask', query.mask),
    maskOf('value_mask', value.mask),
    maskOf('key_mask', key === value ? undefined : key.mask),
  ];
  const explicit = maskOf('attention_mask', undefined);
  const causal = kwargs['use_causal_mask'] === true;
  const reach = number(input, ['sliding_window'], Number.POSITIVE_INFINITY);
  const any = [qm, vm, km, explicit].some((mask) => mask !== undefined) || causal || Number.isFinite(reach);
  const allowed = ([n, h, i, j]: readonly number[]): boolean => {
    const at = [n, h, i, j] as [number, number, number, number];
    const own = explicit === undefined ? 1 : explicitAt(explicit, at);
    return (
      own !== 0 &&
      (qm === undefined || get(qm, [at[0], at[2]]) !== 0) &&
      (vm === undefined || get(vm, [at[0], at[3]]) !== 0) &&
      (km === undefined || get(km, [at[0], at[3]]) !== 0) &&
      (!causal || at[2] >= at[3]) &&
      Math.abs(at[2] - at[3]) < reach
    );
  };
  const isKeras3 = input.dialect === 'keras-3';
  const isAlone = qm === undefined && vm === undefined && km === undefined && !causal;
  // Keras 2 adds what is missing to 1, whatever the numbers are.
  const added = (at: readonly number[]) => pushed(get(scores, at), explicitAt(explicit as Tensor, at));
  let weights =
    !isKeras3 && isAlone && explicit !== undefined
      ? softmax(generate(scores.shape, added))
      : shares(scores, any ? allowed : undefined, isKeras3);
  const isSoftmaxLayer = number(input, ['dropout'], 0) > 0 || kwargs['return_attention_scores'] === true;
  if (any && isKeras3 && isSoftmaxLayer)
    weights = generate(weights.shape, (at) => (allowed(at) ? get(weights, at) : 0));
  let listened = heard(weights, v);
  if (flag(input, 'use_gate', false)) {
    const gate = map(project(input, query, 'gate_dense'), (g) => 1 / (1 + Math.exp(-g)));
    listened = zip(listened, gate, (a, b) => a * b);
  }
  const joined = reshaped(permute(listened, [0, 2, 1, 3]), [batch, query.shape[1] as number, -1]);
  const kernel = variable(input, 'output_dense/kernel');
  const bias = optional(input, 'output_dense/bias');
  const width = joined.shape[2] as number;
  let y = product(joined, reshaped(kernel, [width, -1]));
  if (bias !== undefined) y = zip(y, reshaped(bias, [-1]), (a, b) => a + b);
  const shaped = back(reshaped(y, [...y.shape.slice(0, 2), ...kernel.shape.slice(2)]));
  const out = whole.mask === undefined ? shaped : { ...shaped, mask: whole.mask };
  return kwargs['return_attention_scores'] === true ? [out, inShape(weights)] : out;
};
