import type { TableSchema } from './table.ts';

/**
 * The tables of a .tflite file, as far as this project writes or reads them.
 * @see https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs
 */
const operatorCode = {
  deprecatedBuiltinCode: { id: 0, type: 'int8' },
  customCode: { id: 1, type: 'string' },
  version: { id: 2, type: 'int32', default: 1 },
  builtinCode: { id: 3, type: 'int32' },
} as const satisfies TableSchema;

const quantization = {
  scale: { id: 2, type: 'float32s' },
  zeroPoint: { id: 3, type: 'int64s' },
  quantizedDimension: { id: 6, type: 'int32' },
} as const satisfies TableSchema;

const tensor = {
  shape: { id: 0, type: 'int32s' },
  type: { id: 1, type: 'int8' },
  buffer: { id: 2, type: 'uint32' },
  name: { id: 3, type: 'string' },
  quantization: { id: 4, type: 'table', of: quantization },
  isVariable: { id: 5, type: 'bool' },
  shapeSignature: { id: 7, type: 'int32s' },
  hasRank: { id: 8, type: 'bool' },
} as const satisfies TableSchema;

const operator = {
  opcodeIndex: { id: 0, type: 'uint32' },
  inputs: { id: 1, type: 'int32s' },
  outputs: { id: 2, type: 'int32s' },
  builtinOptionsType: { id: 3, type: 'uint8' },
  builtinOptions: { id: 4, type: 'union' },
  intermediates: { id: 8, type: 'int32s' },
} as const satisfies TableSchema;

const subgraph = {
  tensors: { id: 0, type: 'tables', of: tensor },
  inputs: { id: 1, type: 'int32s' },
  outputs: { id: 2, type: 'int32s' },
  operators: { id: 3, type: 'tables', of: operator },
  name: { id: 4, type: 'string' },
} as const satisfies TableSchema;

const buffer = { data: { id: 0, type: 'bytes' } } as const satisfies TableSchema;

const tensorMap = {
  name: { id: 0, type: 'string' },
  tensorIndex: { id: 1, type: 'uint32' },
} as const satisfies TableSchema;

const signatureDef = {
  inputs: { id: 0, type: 'tables', of: tensorMap },
  outputs: { id: 1, type: 'tables', of: tensorMap },
  signatureKey: { id: 2, type: 'string' },
  subgraphIndex: { id: 4, type: 'uint32' },
} as const satisfies TableSchema;

export const modelSchema = {
  version: { id: 0, type: 'uint32' },
  operatorCodes: { id: 1, type: 'tables', of: operatorCode },
  subgraphs: { id: 2, type: 'tables', of: subgraph },
  description: { id: 3, type: 'string' },
  buffers: { id: 4, type: 'tables', of: buffer },
  signatureDefs: { id: 7, type: 'tables', of: signatureDef },
} as const satisfies TableSchema;

/** Bytes 4 to 7 of every .tflite file. */
export const fileIdentifier = 'TFL3';
