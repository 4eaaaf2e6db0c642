import { lastForm, ownForm } from './data-format.ts';
import { type Evaluate, first, type LayerInput } from './layer-input.ts';
import { filled, picked, sizeOf, type Tensor } from './tensor.ts';

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
  const rank = x.shape.length - 2;
  for (let i = 0; i < rank; i++) {
    const size = x.shape[i + 1] as number;
    const zero = filled(
      x.shape.map((dim, axis) => (axis === i + 1 ? 1 : dim)),
      0,
    );
    x = picked(
      glued(x, zero, i + 1),
      i + 1,
      places(size, i).map((place) => (place < 0 ? size : place)),
    );
  }
  return ownForm(input, x);
}

function glued(a: Tensor, b: Tensor, axis: number): Tensor {
  const outer = sizeOf(a.shape.slice(0, axis));
  const [runA, runB] = [a.data.length / outer, b.data.length / outer];
  const data = new Float64Array(a.data.length + b.data.length);
  for (let n = 0; n < outer; n++) {
    data.set(a.data.subarray(n * runA, (n + 1) * runA), n * (runA + runB));
    data.set(b.data.subarray(n * runB, (n + 1) * runB), n * (runA + runB) + runA);
  }
  return { shape: a.shape.map((dim, i) => (i === axis ? dim + (b.shape[i] as number) : dim)), data };
}

export const range = <T>(count: number, f: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => f(i));

export const zeroPadding =
  (rank: number): Evaluate =>
  (input) => {
    const pads = edges(input, 'padding', rank);
    return placed(input, (size, i) => {
      const [before, after] = pads[i] as [number, number];
      return range(before + size + after, (at) => (at < before || at >= before + size ? -1 : at - before));
    });
  };

export const cropping =
  (rank: number): Evaluate =>
  (input) => {
    const cuts = edges(input, 'cropping', rank);
    return placed(input, (size, i) => {
      const [before, after] = cuts[i] as [number, number];
      return range(size - before - after, (at) => at + before);
    });
  };

/** Keras `Flatten`; channels go last before. */
export const flatten: Evaluate = (input) => {
  const x = lastForm(input, first(input));
  return { shape: [x.shape[0] as number, sizeOf(x.shape.slice(1))], data: x.data };
};
