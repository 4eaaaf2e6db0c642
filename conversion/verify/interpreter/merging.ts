import { einsum } from './einsum.ts';
import { type Evaluate, first, flag, type LayerInput, number } from './layer-input.ts';
import { unit } from './normalization.ts';
import { axisAt, filled, joined, plus, reshaped, type Tensor, zip } from './tensor.ts';

/** Inputs of lower rank get sizes of 1 after the batch. */
function evened(inputs: readonly Tensor[]): Tensor[] {
  const rank = Math.max(...inputs.map((x) => x.shape.length));
  return inputs.map((x) => {
    const ones = Array.from({ length: rank - x.shape.length }, () => 1);
    return ones.length === 0 ? x : reshaped(x, [x.shape[0] as number, ...ones, ...x.shape.slice(1)]);
  });
}

/** Keras 2: every mask that there is must allow; Keras 3: one is enough, none where an input has none. */
function mergedMask(input: LayerInput): Tensor | undefined {
  const masks = input.inputs.map((x) => x.mask);
  const known = masks.filter((mask) => mask !== undefined);
  const isKeras3 = input.dialect === 'keras-3';
  if (known.length === 0 || (isKeras3 && known.length < masks.length)) return undefined;
  return known.reduce((a, b) => zip(a, b, isKeras3 ? Math.max : Math.min));
}

/** A function of numbers as one of values. */
export const each =
  (f: (a: number, b: number) => number) =>
  (a: Tensor, b: Tensor): Tensor =>
    zip(a, b, f);

export const merge =
  (f: (a: Tensor, b: Tensor) => Tensor): Evaluate =>
  (input) => {
    const y = evened(input.inputs).reduce((a, b) => f(a, b));
    const mask = mergedMask(input);
    return mask === undefined ? { shape: y.shape, data: y.data } : { ...y, mask };
  };

export const added: Evaluate = (input) =>
  merge((a, b) => {
    const spare = [a, b].find(({ data }) => input.spare.has(data) && data.length === a.data.length);
    return plus(a, b, spare?.data);
  })(input);

/** Where a step of [N, steps] counts. */
const counts = (x: Tensor, mask: Tensor, i: number): boolean => {
  const width = x.data.length / mask.data.length;
  return mask.data[Math.floor(i / width)] !== 0;
};

const choose = (x: Tensor, mask: Tensor | undefined, other: Tensor): Tensor =>
  mask === undefined
    ? x
    : { shape: x.shape, data: x.data.map((v, i) => (counts(x, mask, i) ? v : (other.data[i] as number))) };

/** Keras 3 looks at the masks: a masked factor is 1, and what nobody allows is 0. */
const masked =
  (plain: Evaluate, run: (inputs: readonly Tensor[]) => Tensor): Evaluate =>
  (input) => {
    const isMasked = input.inputs.some((x) => x.mask !== undefined);
    if (input.dialect !== 'keras-3' || !isMasked) return plain(input);
    const mask = mergedMask(input);
    const { shape, data } = run(input.inputs);
    return mask === undefined ? { shape, data } : { shape, data, mask };
  };

export const multiplied = masked(merge(each((a, b) => a * b)), (inputs) => {
  const factors = inputs.map((x) => choose(x, x.mask, filled(x.shape, 1)));
  const product = factors.reduce((a, b) => zip(a, b, (p, q) => p * q));
  const masks = inputs.map((x) => x.mask);
  if (!masks.every((mask) => mask !== undefined)) return product;
  const any = masks.reduce((a, b) => zip(a, b, Math.max));
  return choose(product, any, filled(product.shape, 0));
});

export const extreme = (f: (a: number, b: number) => number): Evaluate =>
  masked(merge(each(f)), (inputs) => {
    let [y, ...rest] = inputs as [Tensor, ...Tensor[]];
    let known = y.mask;
    for (const next of rest) {
      const x = choose(next, next.mask, y);
      y = choose(y, known, x);
      known = known !== undefined && next.mask !== undefined ? zip(known, next.mask, Math.max) : undefined;
      y = zip(y, x, f);
    }
    return y;
  });

export const average: Evaluate = (input) => {
  const total = merge(plus)(input) as Tensor;
  return { ...total, data: total.data.map((v) => v / input.inputs.length) };
};

export const concatenate: Evaluate = (input) => {
  const { inputs } = input;
  const rank = first(input).shape.length;
  const axis = axisAt(number(input, ['axis'], -1), rank);
  const y = joined(inputs, axis);
  const masks = inputs.map((x) => x.mask);
  if (masks.every((mask) => mask === undefined)) return y;
  if (axis < rank - 1)
    return masks.every((mask) => mask !== undefined) ? { ...y, mask: joined(masks, axis) } : y;
  const ones = (x: Tensor) => filled(x.shape.slice(0, -1), 1);
  const every = inputs.map((x) => x.mask ?? ones(x));
  return { ...y, mask: every.reduce((a, b) => zip(a, b, input.dialect === 'keras-3' ? Math.max : Math.min)) };
};

export const dot: Evaluate = (input) => {
  let [a, b] = input.inputs as [Tensor, Tensor];
  const axes = [input.layer.config['axes']].flat().map(Number);
  const [i, j] = [
    axisAt(axes[0] as number, a.shape.length),
    axisAt((axes[1] ?? axes[0]) as number, b.shape.length),
  ];
  if (flag(input, 'normalize', false)) [a, b] = [unit(a, [i], input.dialect), unit(b, [j], input.dialect)];
  const labels = ['n', ...'abc'];
  const left = a.shape.map((_, axis) => (axis === i ? 'k' : (labels[axis] as string)));
  const right = b.shape.map((_, axis) => (axis === j ? 'k' : axis === 0 ? 'n' : ['x', 'y', 'z'][axis - 1]));
  const output = [...left, ...right.slice(1)].filter((label) => label !== 'k');
  const y = einsum(`${left.join('')},${right.join('')}->${output.join('')}`, [a, b]);
  return y.shape.length === 1 ? reshaped(y, [y.shape[0] as number, 1]) : y;
};
