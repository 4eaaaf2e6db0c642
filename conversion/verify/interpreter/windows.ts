import { type LayerInput, numbers } from './layer-input.ts';

const three = (values: readonly number[], fill: number): [number, number, number] => {
  const all = [...Array.from({ length: 3 - values.length }, () => fill), ...values];
  return [all[0] as number, all[1] as number, all[2] as number];
};

export interface Sliding {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: string;
}

/** For one dimension: the size that comes out, and how far before the start the first window begins. */
function extent(size: number, window: Sliding, i: number): { out: number; before: number } {
  const [k, stride, dilation] = [window.kernel[i], window.strides[i], window.dilations[i]] as [
    number,
    number,
    number,
  ];
  const span = (k - 1) * dilation + 1;
  if (window.padding === 'valid') return { out: Math.floor((size - span) / stride) + 1, before: 0 };
  const out = Math.ceil(size / stride);
  if (window.padding === 'causal') return { out, before: span - 1 };
  return { out, before: Math.floor(Math.max((out - 1) * stride + span - size, 0) / 2) };
}

/** Places of the last dimension, one after the other, that see the input through the same tap of the window. */
export interface Run {
  /** Of places that come out. */
  readonly count: number;
  readonly firstOut: number;
  readonly firstInside: number;
  /** From one place of the input to the next. */
  readonly step: number;
  readonly tap: number;
}

/** Visits every pair of an output place and an input place below its window: for each output place its taps in order. */
export function slide(sizes: readonly number[], window: Sliding, visit: (run: Run) => void): void {
  const [a, b, c] = three(sizes, 1);
  const k = three(window.kernel, 1);
  const s = three(window.strides, 1);
  const d = three(window.dilations, 1);
  const extents = sizes.map((size, i) => extent(size, window, i));
  const shape = three(
    extents.map(({ out }) => out),
    1,
  );
  const before = three(
    extents.map((one) => one.before),
    0,
  );
  for (let i = 0; i < shape[0]; i++)
    for (let j = 0; j < shape[1]; j++)
      for (let p = 0; p < k[0]; p++) {
        const x = i * s[0] + p * d[0] - before[0];
        if (x < 0 || x >= a) continue;
        for (let q = 0; q < k[1]; q++) {
          const y = j * s[1] + q * d[1] - before[1];
          if (y < 0 || y >= b) continue;
          for (let r = 0; r < k[2]; r++) {
            // Where z = first s + r d - before is inside of the input, and where it no longer is.
            const shift = before[2] - r * d[2];
            const first = Math.max(Math.ceil(shift / s[2]), 0);
            const end = Math.min(Math.ceil((c + shift) / s[2]), shape[2]);
            if (first >= end) continue;
            visit({
              count: end - first,
              firstOut: (i * shape[1] + j) * shape[2] + first,
              firstInside: (x * b + y) * c + first * s[2] - shift,
              step: s[2],
              tap: (p * k[1] + q) * k[2] + r,
            });
          }
        }
      }
}

export const windowOf = (input: LayerInput, rank: number): Sliding => ({
  kernel: numbers(input, 'kernel_size', rank, 1),
  strides: numbers(input, 'strides', rank, 1),
  dilations: numbers(input, 'dilation_rate', rank, 1),
  padding: String(input.layer.config['padding'] ?? 'valid').toLowerCase(),
});

export const outSizes = (sizes: readonly number[], window: Sliding) =>
  sizes.map((size, i) => extent(size, window, i).out);
