import { lastForm, ownForm } from './data-format.ts';
import { type Evaluate, first, type LayerInput, number, numbers } from './layer-input.ts';
import { filled, picked, sizeOf, type Tensor, zip } from './tensor.ts';

const edges = (input: LayerInput, key: string, rank: number): [number, number][] => {
  const value = input.layer.config[key] ?? 1;
  if (!Array.isArray(value)) return Array.from({ length: rank }, () => [Number(value), Number(value)]);
  if (rank === 1 && value.length === 2) return [[Number(value[0]), Number(value[1])]];
  return value.map((edge) =>
    Array.isArray(edge) ? [Number(edge[0]), Number(edge[1])] : [Number(edge), Number(edge)],
  );
};

/** Each dimension of space by the places of the input that it takes; -1 is zero. */
function placed(input: LayerInput, places: (size: number, i: number) => number[]): Tensor {
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

const range = (count: number, f: (i: number) => number) => Array.from({ length: count }, (_, i) => f(i));

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

export const centerCrop: Evaluate = (input) => {
  const wanted = [number(input, ['height'], 0), number(input, ['width'], 0)];
  return placed(input, (size, i) => {
    const start = Math.floor((size - (wanted[i] as number)) / 2);
    return range(wanted[i] as number, (at) => at + start);
  });
};

/** Between places: pixel centres lie at (i + 0.5) * in / out - 0.5, the edge is repeated. */
function interpolated(x: Tensor, axis: number, size: number): Tensor {
  const full = x.shape[axis] as number;
  const at = range(size, (i) => ((i + 0.5) * full) / size - 0.5);
  const low = at.map((v) => Math.min(Math.max(Math.floor(v), 0), full - 1));
  const high = at.map((v) => Math.min(Math.max(Math.floor(v) + 1, 0), full - 1));
  const share: Tensor = {
    shape: x.shape.map((_, i) => (i === axis ? size : 1)),
    data: Float64Array.from(at, (v) => v - Math.floor(v)),
  };
  const [a, b] = [picked(x, axis, low), picked(x, axis, high)];
  const rise = zip(
    zip(b, a, (p, q) => p - q),
    share,
    (p, q) => p * q,
  );
  return zip(a, rise, (p, q) => p + q);
}

export const upSampling =
  (rank: number): Evaluate =>
  (input) => {
    const factors = numbers(input, 'size', rank, 2);
    if (input.layer.config['interpolation'] === 'bilinear') {
      let x = lastForm(input, first(input));
      factors.forEach((factor, i) => {
        x = interpolated(x, i + 1, (x.shape[i + 1] as number) * factor);
      });
      return ownForm(input, x);
    }
    return placed(input, (size, i) =>
      range(size * (factors[i] as number), (at) => Math.floor(at / (factors[i] as number))),
    );
  };

export const resizing: Evaluate = (input) => {
  const wanted = [number(input, ['height'], 0), number(input, ['width'], 0)] as const;
  if (String(input.layer.config['interpolation'] ?? 'bilinear').toLowerCase() === 'nearest') {
    return placed(input, (size, i) =>
      range(wanted[i] as number, (at) =>
        Math.min(Math.floor(((at + 0.5) * size) / (wanted[i] as number)), size - 1),
      ),
    );
  }
  const x = lastForm(input, first(input));
  return ownForm(input, interpolated(interpolated(x, 1, wanted[0]), 2, wanted[1]));
};

/** Keras `Flatten`; channels go last before. */
export const flatten: Evaluate = (input) => {
  const x = lastForm(input, first(input));
  return { shape: [x.shape[0] as number, sizeOf(x.shape.slice(1))], data: x.data };
};
