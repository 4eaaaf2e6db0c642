import { type Evaluate, isTensor } from '../layer-input.ts';
import { axisAt, cut, generate, get, joined, permute, picked, reshaped, type Tensor } from '../tensor.ts';
import { arg, axes, list, one, whole } from './arguments.ts';

export const stack: Evaluate = (input) => {
  const parts = list(input);
  const rank = (parts[0] as Tensor).shape.length + 1;
  const axis = axisAt(whole(input, 0, 1, 'axis'), rank);
  const shape = [...(parts[0] as Tensor).shape];
  shape.splice(axis, 0, 1);
  return joined(
    parts.map((part) => reshaped(part, shape)),
    axis,
  );
};

export const reshape: Evaluate = (input) => {
  const target = arg(input, 1, 'shape', 'newshape');
  const sizes = isTensor(target)
    ? [...target.data]
    : (target as unknown[]).map((dim) => (isTensor(dim) ? (dim.data[0] as number) : Number(dim ?? -1)));
  return reshaped(one(input), sizes);
};

export const transpose: Evaluate = (input) => {
  const x = one(input);
  const perm = arg(input, 1, 'perm', 'axes') as number[] | undefined;
  return permute(
    x,
    (perm ?? x.shape.map((_, i) => -1 - i)).map((axis) => axisAt(axis, x.shape.length)),
  );
};

export const swapAxes: Evaluate = (input) => {
  const x = one(input);
  const [a, b] = [whole(input, 0, 1, 'axis1'), whole(input, 0, 2, 'axis2')].map((axis) =>
    axisAt(axis, x.shape.length),
  ) as [number, number];
  return permute(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
};

export const squeeze: Evaluate = (input) => {
  const x = one(input);
  const value = arg(input, 1, 'axis');
  const gone =
    value === undefined ? undefined : [value].flat().map((axis) => axisAt(Number(axis), x.shape.length));
  return reshaped(
    x,
    x.shape.filter((dim, i) => (gone === undefined ? dim !== 1 : !gone.includes(i))),
  );
};

export const expand: Evaluate = (input) => {
  const x = one(input);
  const wanted = [arg(input, 1, 'axis') ?? 0].flat().map(Number);
  const rank = x.shape.length + wanted.length;
  const at = wanted.map((axis) => axisAt(axis, rank));
  const rest = [...x.shape];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : (rest.shift() as number))),
  );
};

export const split: Evaluate = (input) => {
  const x = one(input);
  const parts = arg(input, 1, 'num_or_size_splits', 'indices_or_sections');
  const axis = axisAt(whole(input, 0, 2, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  const isKeras2 = input.layer.class_name.endsWith('Lambda');
  let cuts: number[];
  if (typeof parts === 'number') cuts = Array.from({ length: parts + 1 }, (_, i) => (i * size) / parts);
  else if (!isKeras2) cuts = [0, ...(parts as number[]), size];
  else {
    const given = (parts as number[]).map(Number);
    const open = size - given.filter((v) => v >= 0).reduce((a, b) => a + b, 0);
    cuts = [0];
    for (const part of given) cuts.push((cuts.at(-1) as number) + (part < 0 ? open : part));
  }
  return cuts.slice(1).map((end, i) => cut(x, axis, cuts[i] as number, end));
};

export const unstack: Evaluate = (input) => {
  const x = one(input);
  const axis = axisAt(whole(input, 0, -1, 'axis'), x.shape.length);
  const rest = x.shape.filter((_, i) => i !== axis);
  return Array.from({ length: x.shape[axis] as number }, (_, i) => reshaped(cut(x, axis, i, i + 1), rest));
};

export const tile: Evaluate = (input) => {
  const repeats = arg(input, 1, 'multiples', 'repeats') as number[];
  let x = one(input);
  repeats.forEach((times, axis) => {
    const size = x.shape[axis] as number;
    x = picked(
      x,
      axis,
      Array.from({ length: size * times }, (_, i) => i % size),
    );
  });
  return x;
};

export const repeat: Evaluate = (input) => {
  const x = one(input);
  const times = whole(input, 1, 1, 'repeats', 'rep');
  const axis = axisAt(whole(input, 0, 2, 'axis'), x.shape.length);
  return picked(
    x,
    axis,
    Array.from({ length: (x.shape[axis] as number) * times }, (_, i) => Math.floor(i / times)),
  );
};

export const flip: Evaluate = (input) =>
  axes(input, one(input).shape.length).reduce((x, axis) => {
    const size = x.shape[axis] as number;
    return picked(
      x,
      axis,
      Array.from({ length: size }, (_, i) => size - 1 - i),
    );
  }, one(input));

export const pad: Evaluate = (input) => {
  const x = one(input);
  const pairs = (arg(input, 1, 'paddings', 'pad_width') as unknown[]).map((pair) =>
    [pair].flat().map(Number),
  );
  const fill = Number(arg(input, -1, 'constant_values') ?? 0);
  const before = pairs.map((pair) => pair[0] as number);
  const shape = x.shape.map((dim, i) => dim + (before[i] as number) + (pairs[i]?.at(-1) as number));
  return generate(shape, (at) => {
    const from = at.map((v, i) => v - (before[i] as number));
    return from.every((v, i) => v >= 0 && v < (x.shape[i] as number)) ? get(x, from) : fill;
  });
};

export const roll: Evaluate = (input) => {
  const shifts = [arg(input, 1, 'shift')].flat().map(Number);
  return [arg(input, 2, 'axis')].flat().reduce<Tensor>((x, each, i) => {
    const axis = axisAt(Number(each), x.shape.length);
    const size = x.shape[axis] as number;
    const by = (shifts[i] as number) % size;
    return picked(
      x,
      axis,
      Array.from({ length: size }, (_, at) => (at - by + size) % size),
    );
  }, one(input));
};
