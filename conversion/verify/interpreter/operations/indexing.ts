import { ellipsis, Slice } from '../../../keras/graph.ts';
import type { Evaluate } from '../layer-input.ts';
import { axisAt, generate, get, permute, picked, product, reshaped, type Tensor } from '../tensor.ts';
import { arg, one, tensor, truth, two, whole } from './arguments.ts';

/** Python's own rules for `x[start:stop:step]`. */
function places(slice: Slice, size: number): number[] {
  const step = Number(slice.step ?? 1);
  const bound = (value: unknown, fallback: number, low: number, high: number) => {
    if (value === null) return fallback;
    const at = Number(value);
    return Math.min(Math.max(at < 0 ? at + size : at, low), high);
  };
  const found: number[] = [];
  if (step > 0)
    for (let i = bound(slice.start, 0, 0, size); i < bound(slice.stop, size, 0, size); i += step)
      found.push(i);
  else
    for (
      let i = bound(slice.start, size - 1, -1, size - 1);
      i > bound(slice.stop, -1, -1, size - 1);
      i += step
    )
      found.push(i);
  return found;
}

export const getItem: Evaluate = (input) => {
  let x = one(input);
  const entries = [arg(input, 1, 'slice_spec', 'key', 'index')].flat();
  const taken = entries.filter((entry) => typeof entry === 'number' || entry instanceof Slice).length;
  const shape: number[] = [];
  let axis = 0;
  for (const entry of entries) {
    if (entry === ellipsis) {
      const skipped = x.shape.length - taken;
      shape.push(...x.shape.slice(axis, axis + skipped));
      axis += skipped;
    } else if (typeof entry === 'number') {
      x = picked(x, axis, [axisAt(entry, x.shape[axis] as number)]);
      axis += 1;
    } else if (entry instanceof Slice) {
      x = picked(x, axis, places(entry, x.shape[axis] as number));
      shape.push(x.shape[axis] as number);
      axis += 1;
    } else shape.push(1);
  }
  return reshaped(x, [...shape, ...x.shape.slice(axis)]);
};

export const matmul: Evaluate = (input) => {
  const turned = (x: Tensor, key: string) => {
    if (arg(input, -1, key) !== true) return x;
    const rank = x.shape.length;
    return permute(
      x,
      x.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
    );
  };
  const [a, b] = two(input);
  return product(turned(a, 'transpose_a'), turned(b, 'transpose_b'));
};

export const gather: Evaluate = (input) => {
  const x = one(input);
  const indices = tensor(arg(input, 1, 'indices'));
  const axis = axisAt(whole(input, 0, 2, 'axis'), x.shape.length);
  const size = x.shape[axis] as number;
  const flat = picked(
    x,
    axis,
    Array.from(indices.data, (i) => axisAt(i, size)),
  );
  return reshaped(flat, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
};

export const oneHot: Evaluate = (input) => {
  const x = one(input);
  const depth = whole(input, 0, 1, 'depth', 'num_classes');
  return generate([...x.shape, depth], (at) => truth(get(x, at.slice(0, -1)) === at.at(-1)));
};
