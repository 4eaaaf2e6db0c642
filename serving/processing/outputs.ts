import { processedOutputs } from '../../conversion/manifest/index.ts';
import type { TensorValue } from '../engine/tensor.ts';

/**
 * The best classes of each row and their scores, best first; of equal ones the lower class first. One score a row with two labels
 * is the probability of the second.
 */
export function bestOf({ shape, data }: TensorValue, labels: readonly string[], top: number): TensorValue[] {
  const [rows = 0, width = 0] = shape;
  const isBinary = width === 1 && labels.length === 2;
  const classes = isBinary ? 2 : width;
  const count = Math.min(top, classes);
  const words: string[] = [];
  const scores = new Float32Array(rows * count);
  const values = data as Float32Array;
  const places = Array.from({ length: classes }, (_, index) => index);
  for (let row = 0; row < rows; row++) {
    const score = (index: number): number => {
      if (!isBinary) return values[row * width + index] as number;
      const second = values[row] as number;
      return index === 1 ? second : 1 - second;
    };
    const best = [...places].sort((a, b) => score(b) - score(a) || a - b).slice(0, count);
    for (const [place, index] of best.entries()) {
      words.push(labels[index] ?? String(index));
      scores[row * count + place] = score(index);
    }
  }
  return [
    { name: processedOutputs.classes, dtype: 'string', shape: [rows, count], data: words },
    { name: processedOutputs.scores, dtype: 'float32', shape: [rows, count], data: scores },
  ];
}
