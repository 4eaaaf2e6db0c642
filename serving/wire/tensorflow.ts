import type { DataType } from '../../conversion/manifest/index.ts';

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
