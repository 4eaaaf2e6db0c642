import type { Evaluate, LayerInput } from '../layer-input.ts';
import { axisAt, generate, get, type Tensor } from '../tensor.ts';
import { arg, one, whole } from './arguments.ts';

/** Places along an axis by value; equal values keep their order. */
function ranked(x: Tensor, axis: number, isDescending: boolean, count: number): [Tensor, Tensor] {
  const size = x.shape[axis] as number;
  const shape = x.shape.map((dim, i) => (i === axis ? count : dim));
  const sign = isDescending ? -1 : 1;
  const placed = (at: readonly number[], place: number) => at.map((v, i) => (i === axis ? place : v));
  const places = generate(shape, (at) => {
    const value = (place: number) => sign * get(x, placed(at, place));
    const all = Array.from({ length: size }, (_, i) => i).sort((a, b) => value(a) - value(b) || a - b);
    return all[at[axis] as number] as number;
  });
  return [generate(shape, (at) => get(x, placed(at, get(places, at)))), places];
}

function wholly(input: LayerInput): [Tensor, Tensor] {
  const x = one(input);
  const axis = axisAt(whole(input, -1, 1, 'axis'), x.shape.length);
  return ranked(x, axis, arg(input, -1, 'direction') === 'DESCENDING', x.shape[axis] as number);
}

export const sort: Evaluate = (input) => wholly(input)[0];
export const argsort: Evaluate = (input) => wholly(input)[1];
export const topK: Evaluate = (input) => {
  const x = one(input);
  return ranked(x, x.shape.length - 1, true, whole(input, 1, 1, 'k'));
};
