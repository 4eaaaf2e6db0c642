import { create } from '@bufbuild/protobuf';
import type { DataType } from '../manifest/index.ts';
import { type TensorProto, TensorProtoSchema } from './generated/onnx_pb.js';

/** ONNX's TensorProto.DataType by our names (https://onnx.ai/onnx/intro/concepts.html#element-type). */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
} as const satisfies Record<DataType, number>;

const names = new Map<number, DataType>(
  Object.entries(elementTypes).map(([name, code]) => [code, name as DataType]),
);

/** @returns undefined for element types that no signature can name (bfloat16, float8, int4, ...). */
export function dataTypeOf(elementType: number): DataType | undefined {
  return names.get(elementType);
}

/** Typed arrays whose bytes are a tensor's `raw_data` as they are. float16 travels as Uint16Array. */
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
  | BigUint64Array;

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A constant of the graph; `dims` row-major. The bytes are ONNX's little-endian `raw_data`; they are the data's own, not copied. */
export function tensorProto(
  name: string,
  dtype: DataType,
  dims: readonly number[],
  data: TensorData,
): TensorProto {
  if (!isLittleEndian) throw new Error('big-endian machines are not supported');
  return create(TensorProtoSchema, {
    name,
    dataType: elementTypes[dtype],
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

const viewOf = {
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
} as const;

/** Numbers in the typed array of an element type. @throws TypeError for float16 and text, of which no constant is made */
export function dataOf(dtype: DataType, values: readonly number[]): TensorData {
  if (dtype === 'float16' || dtype === 'string') throw new TypeError(`a constant of ${dtype}`);
  if (dtype === 'int64' || dtype === 'uint64')
    return viewOf[dtype].from(values.map((value) => BigInt(Math.trunc(value))));
  return viewOf[dtype].from(values);
}

/**
 * The values of a constant, wherever the writer put them (raw or typed fields).
 * @returns undefined for strings, external data and element types without a name here.
 */
export function tensorData(tensor: TensorProto): TensorData | undefined {
  const dtype = dataTypeOf(tensor.dataType);
  if (dtype === undefined || dtype === 'string' || tensor.externalData.length > 0) return undefined;
  const View = viewOf[dtype];
  if (tensor.rawData.length > 0) return new View(new Uint8Array(tensor.rawData).buffer) as TensorData;
  const typed = {
    float32: tensor.floatData,
    float64: tensor.doubleData,
    int64: tensor.int64Data,
    uint64: tensor.uint64Data,
    uint32: tensor.uint64Data.map(Number),
  } as Partial<Record<DataType, readonly (number | bigint)[]>>;
  return (View as unknown as { from(values: Iterable<number | bigint>): TensorData }).from(
    typed[dtype] ?? tensor.int32Data,
  );
}

/** Bytes of a constant's elements; undefined for strings and element types without a name here. */
export function byteLengthOf({ dataType, dims }: TensorProto): number | undefined {
  const dtype = dataTypeOf(dataType);
  if (dtype === undefined || dtype === 'string') return undefined;
  return elementCount(dims) * viewOf[dtype].BYTES_PER_ELEMENT;
}

/** Number of elements; 1 for a scalar. */
export function elementCount(dims: readonly (number | bigint)[]): number {
  return dims.reduce<number>((product, dim) => product * Number(dim), 1);
}
