import { softmax } from './functions.ts';
import { type Evaluate, flag, isTensor, type LayerInput, number, optional, variable } from './layer-input.ts';
import { fold, generate, get, map, permute, product, reshaped, sum, type Tensor, zip } from './tensor.ts';

/** float32's sum: next to -1e9 a score is nothing, and Keras's answers show it. */
const far = (score: number) => Math.fround(Math.fround(score) - 1e9);

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
      return allowed(at) ? score : replace ? -1e9 : far(score);
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

export const multiHeadAttention: Evaluate = (input) => {
  const { args, kwargs } = input;
  const list = Array.isArray(args[0]) ? (args[0] as Tensor[]) : undefined;
  const query = list?.[0] ?? ((args[0] ?? kwargs['query']) as Tensor);
  const value = list?.[1] ?? ((args[1] ?? kwargs['value']) as Tensor);
  const key = list?.[2] ?? ((args[2] ?? kwargs['key'] ?? value) as Tensor);
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
  const any = qm !== undefined || vm !== undefined || km !== undefined || explicit !== undefined || causal;
  const allowed = ([n, h, i, j]: readonly number[]): boolean => {
    const at = [n, h, i, j] as [number, number, number, number];
    const own = explicit === undefined ? 1 : explicitAt(explicit, at);
    return (
      own !== 0 &&
      (qm === undefined || get(qm, [at[0], at[2]]) !== 0) &&
      (vm === undefined || get(vm, [at[0], at[3]]) !== 0) &&
      (km === undefined || get(km, [at[0], at[3]]) !== 0) &&
      (!causal || at[2] >= at[3])
    );
  };
  const isKeras3 = input.dialect === 'keras-3';
  const isAlone = qm === undefined && vm === undefined && km === undefined && !causal;
  // Keras 2 adds what is missing to 1, whatever the numbers are.
  const added = (at: readonly number[]) =>
    get(scores, at) + (explicit === undefined ? 0 : (1 - explicitAt(explicit, at)) * -1e9);
  let weights =
    !isKeras3 && isAlone && explicit !== undefined
      ? softmax(generate(scores.shape, added))
      : shares(scores, any ? allowed : undefined, isKeras3);
  const isSoftmaxLayer = number(input, ['dropout'], 0) > 0 || kwargs['return_attention_scores'] === true;
  if (any && isKeras3 && isSoftmaxLayer)
    weights = generate(weights.shape, (at) => (allowed(at) ? get(weights, at) : 0));
  const joined = reshaped(permute(heard(weights, v), [0, 2, 1, 3]), [batch, query.shape[1] as number, -1]);
  const kernel = variable(input, 'output_dense/kernel');
  const bias = optional(input, 'output_dense/bias');
  const width = joined.shape[2] as number;
  let y = product(joined, reshaped(kernel, [width, -1]));
  if (bias !== undefined) y = zip(y, reshaped(bias, [-1]), (a, b) => a + b);
  const out = query.mask === undefined ? y : { ...y, mask: query.mask };
  return kwargs['return_attention_scores'] === true ? [out, weights] : out;
};

/** Sums products over labels, by visiting every combination of them. */
export function einsum(equation: string, operands: readonly Tensor[]): Tensor {
  const [left = '', output = ''] = equation.replaceAll(' ', '').split('->');
  const spare = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((letter) => !equation.includes(letter)).slice(0, 8);
  const terms = left.split(',').map((labels, i) => {
    const missing = (operands[i] as Tensor).shape.length - labels.replace('...', '').length;
    return labels.replace('...', spare.slice(0, missing).join(''));
  });
  const dots = Math.max(
    ...left
      .split(',')
      .map((labels, i) =>
        labels.includes('...') ? (operands[i] as Tensor).shape.length - labels.replace('...', '').length : 0,
      ),
  );
  const target = output.replace('...', spare.slice(0, dots).join(''));
  const sizes = new Map(
    terms.flatMap((labels, i) =>
      [...labels].map((label, axis) => [label, (operands[i] as Tensor).shape[axis] as number] as const),
    ),
  );
  const inner = [...sizes.keys()].filter((label) => !target.includes(label));
  const order = [...target, ...inner];
  const all = generate(
    order.map((label) => sizes.get(label) as number),
    (at) =>
      terms.reduce(
        (value, labels, i) =>
          value *
          get(
            operands[i] as Tensor,
            [...labels].map((label) => at[order.indexOf(label)] as number),
          ),
        1,
      ),
  );
  return inner.length === 0
    ? all
    : fold(
        all,
        inner.map((_, i) => target.length + i),
        false,
        0,
        (a, b) => a + b,
      );
}
