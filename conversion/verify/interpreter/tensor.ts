/** A dense float64 array, row-major. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Keras's mask that travels with the value: 1 where a step counts. */
  readonly mask?: Tensor;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

export const filled = (shape: readonly number[], value: number): Tensor => ({
  shape,
  data: new Float64Array(sizeOf(shape)).fill(value),
});

export const axisAt = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Element by element. */
export function map(x: Tensor, f: (value: number) => number): Tensor {
  // A loop of one's own is several times faster than the array's.
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i] as number);
  return { shape: x.shape, data };
}

/** Applies `f` to every 1-D slice along the last axis, in place on a copy. */
export function mapRows(x: Tensor, f: (row: Float64Array) => void): Tensor {
  const data = x.data.slice();
  const width = x.shape.at(-1) ?? 1;
  for (let start = 0; start < data.length; start += width) f(data.subarray(start, start + width));
  return { shape: x.shape, data };
}

/** A value for each place, computed from the place. */
export function generate(shape: readonly number[], f: (at: readonly number[]) => number): Tensor {
  const data = new Float64Array(sizeOf(shape));
  const at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = f(at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = (at[axis] as number) + 1;
      if ((at[axis] as number) < (shape[axis] as number)) break;
      at[axis] = 0;
    }
  }
  return { shape, data };
}

/** Reads one place. */
export function get(x: Tensor, at: readonly number[]): number {
  let index = 0;
  for (let axis = 0; axis < x.shape.length; axis++)
    index = index * (x.shape[axis] as number) + (at[axis] as number);
  return x.data[index] as number;
}

/** Output axis `i` is input axis `perm[i]`. */
export function permute(x: Tensor, perm: readonly number[]): Tensor {
  const from = x.shape.map(() => 0);
  return generate(
    perm.map((axis) => x.shape[axis] as number),
    (at) => {
      for (let i = 0; i < perm.length; i++) from[perm[i] as number] = at[i] as number;
      return get(x, from);
    },
  );
}

export function reshaped(x: Tensor, shape: readonly number[]): Tensor {
  const known = shape.filter((dim) => dim >= 0).reduce((a, b) => a * b, 1);
  const whole = shape.map((dim) => (dim >= 0 ? dim : x.data.length / known));
  if (sizeOf(whole) !== x.data.length) throw new Error(`[${x.shape}] has no shape [${shape}]`);
  return { ...x, shape: whole };
}

/** Whether a shape is the end of another, but for sizes of 1 in front. */
function endsWith(whole: readonly number[], end: readonly number[]): boolean {
  const core = end.slice(
    Math.max(
      end.findIndex((dim) => dim !== 1),
      0,
    ),
  );
  const isOne = end.every((dim) => dim === 1);
  const fits = isOne || core.every((dim, i) => dim === whole[whole.length - core.length + i]);
  return end.length <= whole.length && fits;
}

/** NumPy's broadcasting of two values. */
export function zip(a: Tensor, b: Tensor, f: (a: number, b: number) => number): Tensor {
  if (endsWith(a.shape, b.shape)) {
    const { length } = b.data;
    const data = new Float64Array(a.data.length);
    for (let start = 0; start < data.length; start += length)
      for (let i = 0; i < length; i++) data[start + i] = f(a.data[start + i] as number, b.data[i] as number);
    return { shape: a.shape, data };
  }
  const rank = Math.max(a.shape.length, b.shape.length);
  const dim = (x: Tensor, i: number) => x.shape[i - rank + x.shape.length] ?? 1;
  const shape = Array.from({ length: rank }, (_, i) => {
    const [p, q] = [dim(a, i), dim(b, i)];
    if (p !== q && p !== 1 && q !== 1) throw new Error(`[${a.shape}] and [${b.shape}] do not go together`);
    return p === 1 ? q : p;
  });
  const read = (x: Tensor, at: readonly number[]) =>
    get(
      x,
      x.shape.map((size, i) => (size === 1 ? 0 : (at[i + rank - x.shape.length] as number))),
    );
  return generate(shape, (at) => f(read(a, at), read(b, at)));
}

/**
 * `a + b`; a function that is called for every number costs many times the sum.
 * @param memory as large as `a`, where `b` is not larger; may be that of one of them that is as large
 */
export function plus(a: Tensor, b: Tensor, memory?: Float64Array): Tensor {
  if (!endsWith(a.shape, b.shape)) return zip(a, b, (p, q) => p + q);
  const [xs, ys] = [a.data, b.data];
  const data = memory ?? new Float64Array(xs.length);
  for (let start = 0; start < data.length; start += ys.length)
    for (let i = 0; i < ys.length; i++) data[start + i] = (xs[start + i] as number) + (ys[i] as number);
  return { shape: a.shape, data };
}

/** Twice a number below it is a number. */
const mostDoubled = 2 ** 1023;

/** max(x, 0), and at most `high`. @param data memory for it, as large as `x`: may be its own */
export function rectified(
  { shape, data: xs }: Tensor,
  high = Number.POSITIVE_INFINITY,
  data: Float64Array = new Float64Array(xs.length),
): Tensor {
  for (let i = 0; i < data.length; i++) {
    // Signs are beyond what a processor foretells: a choice by them takes four times as long as (x + |x|) / 2, which is the same.
    const x = xs[i] as number;
    const size = Math.abs(x);
    data[i] = Math.min(size < mostDoubled ? (x + size) * 0.5 : Math.max(x, 0), high);
  }
  return { shape, data };
}

/** Folds some axes. */
export function fold(
  x: Tensor,
  axes: readonly number[],
  keep: boolean,
  start: number,
  f: (sum: number, value: number) => number,
): Tensor {
  const rank = x.shape.length;
  const at = new Set(axes.map((axis) => axisAt(axis, rank)));
  const kept = x.shape.map((dim, i) => (at.has(i) ? 1 : dim));
  const data = new Float64Array(sizeOf(kept)).fill(start);
  const strides = kept.map((_, i) => sizeOf(kept.slice(i + 1)));
  const place = x.shape.map(() => 0);
  for (let i = 0; i < x.data.length; i++) {
    let to = 0;
    for (let axis = 0; axis < rank; axis++)
      if (!at.has(axis)) to += (place[axis] as number) * (strides[axis] as number);
    data[to] = f(data[to] as number, x.data[i] as number);
    for (let axis = rank - 1; axis >= 0; axis--) {
      place[axis] = (place[axis] as number) + 1;
      if ((place[axis] as number) < (x.shape[axis] as number)) break;
      place[axis] = 0;
    }
  }
  return { shape: keep ? kept : x.shape.filter((_, i) => !at.has(i)), data };
}

const countOf = (x: Tensor, axes: readonly number[]) =>
  axes.reduce((count, axis) => count * (x.shape[axisAt(axis, x.shape.length)] as number), 1);

export const sum = (x: Tensor, axes: readonly number[], keep = false): Tensor =>
  fold(x, axes, keep, 0, (a, b) => a + b);

export const mean = (x: Tensor, axes: readonly number[], keep = false): Tensor =>
  map(sum(x, axes, keep), (v) => v / countOf(x, axes));

/** Mean of the squares of what is left after the mean is taken out. */
export function variance(x: Tensor, axes: readonly number[], keep = false): Tensor {
  const centered = zip(x, mean(x, axes, true), (a, b) => a - b);
  return mean(
    map(centered, (v) => v * v),
    axes,
    keep,
  );
}

/** `a @ b` over the last two axes, the ones before in common (or of size 1). */
export function product(a: Tensor, b: Tensor): Tensor {
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const [innerB, columns] = b.shape.slice(-2) as [number, number];
  if (inner !== innerB) throw new Error(`[${a.shape}] @ [${b.shape}]`);
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch = batchA.length >= batchB.length ? batchA : batchB;
  const count = sizeOf(batch);
  const [countA, countB] = [sizeOf(batchA), sizeOf(batchB)];
  const data = new Float64Array(count * rows * columns);
  for (let n = 0; n < count; n++) {
    const atA = (n % countA) * rows * inner;
    const atB = (n % countB) * inner * columns;
    for (let i = 0; i < rows; i++) {
      const out = (n * rows + i) * columns;
      for (let k = 0; k < inner; k++) {
        const value = a.data[atA + i * inner + k] as number;
        const from = atB + k * columns;
        for (let j = 0; j < columns; j++)
          data[out + j] = (data[out + j] as number) + value * (b.data[from + j] as number);
      }
    }
  }
  return { shape: [...batch, rows, columns], data };
}

/** Glues values along an axis. */
export function joined(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0] as Tensor;
  const at = axisAt(axis, first.shape.length);
  const shape = first.shape.map((dim, i) =>
    i === at ? parts.reduce((n, part) => n + (part.shape[at] as number), 0) : dim,
  );
  const outer = sizeOf(shape.slice(0, at));
  const data = new Float64Array(sizeOf(shape));
  let to = 0;
  for (let n = 0; n < outer; n++) {
    for (const part of parts) {
      const run = part.data.length / outer;
      data.set(part.data.subarray(n * run, (n + 1) * run), to);
      to += run;
    }
  }
  return { shape, data };
}

/** `x` from `start` to `end` along an axis. */
export function cut(x: Tensor, axis: number, start: number, end: number, step = 1): Tensor {
  const at = axisAt(axis, x.shape.length);
  const places: number[] = [];
  for (let i = start; step > 0 ? i < end : i > end; i += step) places.push(i);
  return picked(x, at, places);
}

/** The given places of an axis, in order. */
export function picked(x: Tensor, axis: number, places: readonly number[]): Tensor {
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const size = x.shape[axis] as number;
  const data = new Float64Array(outer * places.length * inner);
  let to = 0;
  for (let n = 0; n < outer; n++) {
    for (const place of places) {
      const from = (n * size + place) * inner;
      data.set(x.data.subarray(from, from + inner), to);
      to += inner;
    }
  }
  return { shape: x.shape.map((dim, i) => (i === axis ? places.length : dim)), data };
}

/** A variable as float64. */
export const tensorOf = (weight: { shape: readonly number[]; data: Float32Array }): Tensor => ({
  shape: weight.shape,
  data: new Float64Array(weight.data),
});
