/** A dense float64 array, row-major. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** Element by element. */
export function map(x: Tensor, f: (value: number) => number): Tensor {
  return { shape: x.shape, data: x.data.map(f) };
}

/** Applies `f` to every 1-D slice along the last axis, in place on a copy. */
export function mapRows(x: Tensor, f: (row: Float64Array) => void): Tensor {
  const data = x.data.slice();
  const width = x.shape.at(-1) ?? 1;
  for (let start = 0; start < data.length; start += width) f(data.subarray(start, start + width));
  return { shape: x.shape, data };
}
