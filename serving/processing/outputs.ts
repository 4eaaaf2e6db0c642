import { processedOutputs } from '../../conversion/manifest/index.ts';
import { sliceRows, type TensorValue } from '../engine/tensor.ts';
import { best, classScores } from './class-scores.ts';

/** The best classes of each row and their scores, best first. */
export function bestOf(scores: TensorValue, labels: readonly string[], top: number): TensorValue[] {
  const [rows = 0] = scores.shape;
  const told = Array.from({ length: rows }, (_, row) => {
    const values = sliceRows(scores, row, row + 1).data as Float32Array;
    return best(classScores([...values], labels.length), top);
  });
  const shape = [rows, told[0]?.length ?? 0];
  const all = told.flat();
  const words = all.map(({ index }) => labels[index] ?? String(index));
  return [
    { name: processedOutputs.classes, dtype: 'string', shape, data: words },
    {
      name: processedOutputs.scores,
      dtype: 'float32',
      shape,
      data: Float32Array.from(all, ({ score }) => score),
    },
  ];
}
