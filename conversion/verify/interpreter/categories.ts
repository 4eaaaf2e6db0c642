import { type Evaluate, first, number } from './layer-input.ts';
import { generate, get, map, type Tensor } from './tensor.ts';

/** Whole numbers as Keras encodes them; with weights a count adds them up. */
function encoded(x: Tensor, mode: string, depth: number, weights?: Tensor): Tensor {
  if (mode === 'int') return x;
  const width = x.shape.length > 1 ? (x.shape.at(-1) as number) : 1;
  const isOneHot = mode === 'one_hot';
  if (isOneHot && width !== 1)
    return generate([...x.shape, depth], (at) => (get(x, at.slice(0, -1)) === at.at(-1) ? 1 : 0));
  const rows = x.data.length / width;
  const data = new Float64Array(rows * depth);
  x.data.forEach((value, i) => {
    const place = Math.floor(i / width) * depth + value;
    if (value < 0 || value >= depth) return;
    data[place] = mode === 'count' ? (data[place] as number) + (weights?.data[i] ?? 1) : 1;
  });
  return { shape: [...(x.shape.length > 1 ? x.shape.slice(0, -1) : x.shape), depth], data };
}

export const categoryEncoding: Evaluate = (input) =>
  encoded(
    first(input),
    String(input.layer.config['output_mode'] ?? 'multi_hot'),
    number(input, ['num_tokens'], 0),
    input.inputs[1] ?? (input.kwargs['count_weights'] as Tensor | undefined) ?? undefined,
  );

export const discretization: Evaluate = (input) => {
  const boundaries = (input.layer.config['bin_boundaries'] as number[]).map(Math.fround);
  const bins = map(first(input), (v) => boundaries.filter((boundary) => !(boundary > v)).length);
  return encoded(bins, String(input.layer.config['output_mode'] ?? 'int'), boundaries.length + 1);
};

export const integerLookup: Evaluate = (input) => {
  const { config } = input.layer;
  const mask = config['mask_token'] as number | null | undefined;
  const words = (config['vocabulary'] as number[])
    .map(Number)
    .filter((word) => word !== mask && word !== config['oov_token']);
  const hasMask = typeof mask === 'number';
  const buckets = number(input, ['num_oov_indices'], 1);
  const start = hasMask ? 1 : 0;
  const unknown = (v: number) => {
    if (buckets === 0) return start - 1;
    return start + (((v % buckets) + buckets) % buckets);
  };
  const found = map(first(input), (v) => {
    if (hasMask && v === mask) return 0;
    const place = words.indexOf(v);
    return place < 0 ? unknown(v) : place + start + buckets;
  });
  return encoded(found, String(config['output_mode'] ?? 'int'), words.length + buckets);
};
