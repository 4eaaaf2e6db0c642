import type { DataType } from '../../conversion/manifest/index.ts';

/** Array that holds the elements of each type; float16 as its bits, bool as 0 and 1. Text and bytes are one JavaScript value each. */
export const elementArrays = {
  bool: Uint8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const satisfies Record<Exclude<DataType, 'string'>, unknown>;

export type NumericType = keyof typeof elementArrays;
export type NumericData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;
/** Elements of a string tensor: text, or bytes that came as base64 or in binary form. */
export type StringData = readonly (string | Uint8Array)[];
export type TensorData = NumericData | StringData;

/** Elements in row-major order; `data.length` is the product of `shape`. */
export interface Tensor {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A tensor under the name that a signature gives it. */
export interface NamedTensor extends Tensor {
  readonly name: string;
}

/** How many elements a shape holds; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

const slabBytes = 1 << 18;
let slab = new ArrayBuffer(slabBytes);
let slabUsed = 0;

/**
 * An array of `count` elements with undefined content. Small ones share a slab, as Node's own buffers do: a typed array of its own
 * costs more than reading 784 numbers into it.
 */
export function allocate(dtype: NumericType, count: number): NumericData {
  const ArrayOf = elementArrays[dtype];
  const bytes = count * ArrayOf.BYTES_PER_ELEMENT;
  if (bytes > slabBytes / 4) return new ArrayOf(count);
  if (slabUsed + bytes > slabBytes) {
    slab = new ArrayBuffer(slabBytes);
    slabUsed = 0;
  }
  const data = new ArrayOf(slab, slabUsed, count);
  slabUsed += (bytes + 7) & ~7;
  return data;
}
