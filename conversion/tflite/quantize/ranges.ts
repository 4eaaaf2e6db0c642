import type { Tensor } from '../evaluate/index.ts';
import { evaluate } from '../evaluate/index.ts';
import type { Quantization } from '../ir.ts';
import type { TfliteFile } from '../read.ts';

/** The least and largest value that a tensor had. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

export const union = (a: Range, b: Range): Range => ({
  low: Math.min(a.low, b.low),
  high: Math.max(a.high, b.high),
});

/** Runs a float32 file on calibration rows, one by one. @returns the range of every value of the main graph, by name */
export function calibrate(file: TfliteFile, rows: readonly (readonly Tensor[])[]): Map<string, Range> {
  const ranges = new Map<string, Range>();
  for (const row of rows) {
    evaluate(file, row, {
      onValue(name, { data }) {
        let low = Number.POSITIVE_INFINITY;
        let high = Number.NEGATIVE_INFINITY;
        for (const value of data) {
          if (value < low) low = value;
          if (value > high) high = value;
        }
        const known = ranges.get(name);
        ranges.set(name, known === undefined ? { low, high } : union(known, { low, high }));
      },
    });
  }
  return ranges;
}

/** int8 steps over a range; zero is always one of them, because padding is zero. */
export function int8Steps({ low, high }: Range): Quantization {
  const [min, max] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = Math.fround(max === min ? 1 : (max - min) / 255);
  const zero = Math.min(Math.max(Math.round(-128 - min / scale), -128), 127);
  return { scale: [scale], zeroPoint: [zero], dimension: 0 };
}
