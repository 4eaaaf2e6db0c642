import type { TensorValue } from '../engine/tensor.ts';
import type { Cell } from './features.ts';

/**
 * Cells of one column, or pictures, as a tensor [rows]: numbers as float64 with NaN for what is missing, all else as text or bytes
 * with empty text for it. So columns travel like tensors, on every protocol.
 */
export function columnTensor(name: string, cells: readonly (Cell | Uint8Array)[]): TensorValue {
  const shape = [cells.length];
  const areNumbers = cells.every((cell) => cell === undefined || cell === null || typeof cell === 'number');
  if (areNumbers && cells.some((cell) => typeof cell === 'number')) {
    return {
      name,
      dtype: 'float64',
      shape,
      data: Float64Array.from(cells, (cell) => (cell as number) ?? Number.NaN),
    };
  }
  const data = cells.map((cell) => {
    if (cell instanceof Uint8Array) return cell;
    return Number.isNaN(cell) ? '' : String(cell ?? '');
  });
  return { name, dtype: 'string', shape, data };
}
