import { lastForm, ownForm } from './data-format.ts';
import { type Evaluate, first, type LayerInput } from './layer-input.ts';
import { sizeOf, type Tensor } from './tensor.ts';

const edges = (input: LayerInput, key: string, rank: number): [number, number][] => {
  const value = input.layer.config[key] ?? 1;
  if (!Array.isArray(value)) return Array.from({ length: rank }, () => [Number(value), Number(value)]);
  if (rank === 1 && value.length === 2) return [[Number(value[0]), Number(value[1])]];
  return value.map((edge) =>
    Array.isArray(edge) ? [Number(edge[0]), Number(edge[1])] : [Number(edge), Number(edge)],
  );
};

/** Each dimension of space by the places of the input that it takes; -1 is zero. */
export function placed(input: LayerInput, places: (size: number, i: number) => number[]): Tensor {
  let x = lastForm(input, first(input));
  for (let axis = 1; axis < x.shape.length - 1; axis++)
    x = pickedOrZero(x, axis, places(x.shape[axis] as number, axis - 1));
  return ownForm(input, x);
}

function pickedOrZero(x: Tensor, axis: number, places: readonly number[]): Tensor {
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const size = x.shape[axis] as number;
  const data = new Float64Array(outer * places.length * inner);
  for (let at = 0; at < places.length; ) {
    const start = places[at] as number;
    // Neighbours that were neighbours go together.
    let count = 1;
    while (start >= 0 && places[at + count] === start + count) count++;
    for (let n = 0; start >= 0 && n < outer; n++) {
      const from = (n * size + start) * inner;
      data.set(x.data.subarray(from, from + count * inner), (n * places.length + at) * inner);
    }
    at += count;
  }
  return { shape: x.shape.map((dim, i) => (i === axis ? places.length : dim)), data };
}

export const range = <T>(count: number, f: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => f(i));

/** What an option says of both ends of every axis of the space, and where each place of the outcome is taken from. */
const atEdges =
  (option: string, places: (size: number, before: number, after: number) => number[]) =>
  (rank: number): Evaluate =>
  (input) => {
    const amounts = edges(input, option, rank);
    return placed(input, (size, i) => places(size, ...(amounts[i] as [number, number])));
  };

export const zeroPadding = atEdges('padding', (size, before, after) =>
  range(before + size + after, (at) => (at < before || at >= before + size ? -1 : at - before)),
);

export const cropping = atEdges('cropping', (size, before, after) =>
  range(size - before - after, (at) => at + before),
);

/** Keras `Flatten`; channels go last before. */
export const flatten: Evaluate = (input) => {
  const x = lastForm(input, first(input));
  return { shape: [x.shape[0] as number, sizeOf(x.shape.slice(1))], data: x.data };
};
