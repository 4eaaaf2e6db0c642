import type { DataType } from '../../conversion/manifest/index.ts';

/** The Open Inference Protocol's names of the element types. */
export const openInferenceNames = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
} as const satisfies Record<DataType, string>;

/** TensorFlow's names of the element types; the numbers are in tensorflow-grpc's messages. */
export const tensorflowNames = {
  bool: 'DT_BOOL',
  uint8: 'DT_UINT8',
  uint16: 'DT_UINT16',
  uint32: 'DT_UINT32',
  uint64: 'DT_UINT64',
  int8: 'DT_INT8',
  int16: 'DT_INT16',
  int32: 'DT_INT32',
  int64: 'DT_INT64',
  float16: 'DT_HALF',
  float32: 'DT_FLOAT',
  float64: 'DT_DOUBLE',
  string: 'DT_STRING',
} as const satisfies Record<DataType, string>;

const byOpenInferenceName = new Map(
  Object.entries(openInferenceNames).map(([dtype, name]) => [name as string, dtype as DataType]),
);

/** Our name of a datatype of the Open Inference Protocol; undefined where it has none. */
export function fromOpenInference(name: string): DataType | undefined {
  return byOpenInferenceName.get(name);
}
