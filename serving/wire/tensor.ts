import type { DataType } from '../../conversion/manifest/index.ts';
import { arrayTypes, type TensorData, type TensorValue } from '../engine/tensor.ts';

/** A tensor that has not been given the name of an input yet. */
export type Tensor = Omit<TensorValue, 'name'>;
export type NumericType = Exclude<DataType, 'string'>;
export type StringData = Extract<TensorData, unknown[]>;
export type NumericData = Exclude<TensorData, StringData>;

const slabBytes = 1 << 18;
let slab = emptySlab();
let slabUsed = 0;

/** Not cleared: whoever allocates fills it. */
function emptySlab(): ArrayBuffer {
  return Buffer.allocUnsafeSlow(slabBytes).buffer;
}

/**
 * An array of `count` elements with undefined content. Small ones share a slab, as Node's own buffers do: a typed array with memory
 * of its own costs as much as reading 100 numbers into it.
 */
export function allocate(dtype: NumericType, count: number): NumericData {
  const ArrayOf = arrayTypes[dtype];
  const bytes = count * ArrayOf.BYTES_PER_ELEMENT;
  if (bytes > slabBytes / 4) return new ArrayOf(count);
  if (slabUsed + bytes > slabBytes) {
    slab = emptySlab();
    slabUsed = 0;
  }
  const data = new ArrayOf(slab, slabUsed, count);
  slabUsed += (bytes + 7) & ~7;
  return data;
}
