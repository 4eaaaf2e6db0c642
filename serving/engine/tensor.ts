import type { DataType, TensorSpec } from '../../conversion/manifest/index.ts';

/** Storage of a tensor's values: float16 as its bits, bool as 0/1, string as text, or as bytes where they came as bytes. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | (string | Uint8Array)[];

/** A named tensor with its values, row-major. Batch first: `shape[0]` is the number of rows. */
export interface TensorValue {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export const arrayTypes = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Record<Exclude<DataType, 'string'>, unknown>;

/** Room for `count` values. */
export function allocate(dtype: DataType, count: number): TensorData {
  return dtype === 'string' ? new Array<string>(count).fill('') : new arrayTypes[dtype](count);
}

/** Most memory that one request may have made out of fewer bytes than that: by repeating, decoding, encoding. */
const maxGrownBytes = 256 * 1024 * 1024;

/** Whether a request may have so many values made that it does not hold one by one. */
export function mayGrowTo(dtype: DataType, count: number): boolean {
  const bytes = dtype === 'string' ? 16 : arrayTypes[dtype].BYTES_PER_ELEMENT;
  return count * bytes <= maxGrownBytes;
}

/** Memory of a tensor's elements. */
export function byteLengthOf({ data }: TensorValue): number {
  if (!Array.isArray(data)) return data.byteLength;
  let bytes = 0;
  for (const text of data) bytes += text.length;
  return bytes;
}

export function countOf(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** Values in one row of a tensor; undefined where the signature leaves more than the batch open. */
export function rowSizeOf(spec: TensorSpec): number | undefined {
  const rest = spec.shape.slice(1);
  return rest.some((size) => size < 0) ? undefined : countOf(rest);
}

/** Whether a value's shape is what the signature asks for, -1 being any size. */
export function fits(spec: TensorSpec, shape: readonly number[]): boolean {
  return (
    shape.length === spec.shape.length && spec.shape.every((size, axis) => size < 0 || size === shape[axis])
  );
}

/** Rows `from` to `to` of a tensor, without copying where the storage allows it. */
export function sliceRows(tensor: TensorValue, from: number, to: number): TensorValue {
  let rowSize = 1;
  for (let axis = 1; axis < tensor.shape.length; axis++) rowSize *= tensor.shape[axis] as number;
  const data = Array.isArray(tensor.data)
    ? tensor.data.slice(from * rowSize, to * rowSize)
    : (tensor.data.subarray(from * rowSize, to * rowSize) as TensorData);
  const shape = tensor.shape.slice();
  shape[0] = to - from;
  return { name: tensor.name, dtype: tensor.dtype, shape, data };
}

/** Tensors of equal row shape, one after the other, in room that `take` gives. */
export function concatenateRows(tensors: readonly TensorValue[], take = allocate): TensorValue {
  const first = tensors[0] as TensorValue;
  const rows = tensors.reduce((sum, tensor) => sum + (tensor.shape[0] as number), 0);
  const shape = [rows, ...first.shape.slice(1)];
  if (Array.isArray(first.data))
    return { ...first, shape, data: tensors.flatMap((t) => t.data as (string | Uint8Array)[]) };
  const data = take(first.dtype, countOf(shape)) as Float32Array;
  let offset = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, offset);
    offset += tensor.data.length;
  }
  return { ...first, shape, data };
}
