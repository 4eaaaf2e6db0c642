import type { Operation } from './ir.ts';

type Version = number | ((operation: Operation) => number);

const dtypeOf = (operation: Operation, input: number) => operation.inputs[input]?.dtype;
const isInt8 = (operation: Operation) => dtypeOf(operation, 0) === 'int8';
/** Float activations with int8 weights: the kernel quantizes what comes in. */
const isHybrid = (operation: Operation) => !isInt8(operation) && dtypeOf(operation, 1) === 'int8';
const isPerChannel = (operation: Operation) => (operation.inputs[1]?.quantization?.scale.length ?? 0) > 1;

const int8Needs =
  (version: number): Version =>
  (operation) =>
    isInt8(operation) ? version : 1;

const fullyConnected: Version = (operation) => {
  if (isHybrid(operation)) return isPerChannel(operation) ? 12 : 9;
  if (operation.inputs[2] === undefined) return 6;
  if (operation.options['keepNumDims'] === true) return 5;
  return isInt8(operation) ? 4 : 1;
};

/**
 * The first version of an operator whose kernel knows what is asked of it; 1 where nothing is said. Old runtimes refuse a
 * file that they would get wrong by it.
 * @see https://github.com/google-ai-edge/LiteRT/blob/main/tflite/tools/versioning/op_version.cc
 */
const versions: Readonly<Record<string, Version>> = {
  ADD: int8Needs(2),
  AVERAGE_POOL_2D: int8Needs(2),
  BATCH_MATMUL: (operation) => (isHybrid(operation) ? 4 : isInt8(operation) ? 2 : 1),
  CONCATENATION: int8Needs(2),
  CONV_2D: (operation) => (isHybrid(operation) ? 5 : isInt8(operation) ? 3 : 1),
  DEPTHWISE_CONV_2D: (operation) => {
    if (isHybrid(operation)) return 6;
    if (isInt8(operation)) return 3;
    return operation.options['dilationWFactor'] === 1 && operation.options['dilationHFactor'] === 1 ? 1 : 2;
  },
  DEQUANTIZE: (operation) =>
    dtypeOf(operation, 0) === 'float16' ? 3 : isPerChannelWeight(operation) ? 5 : 2,
  FULLY_CONNECTED: fullyConnected,
  GATHER: int8Needs(2),
  LEAKY_RELU: int8Needs(2),
  LOGISTIC: int8Needs(2),
  LOG_SOFTMAX: int8Needs(2),
  MAXIMUM: int8Needs(2),
  MAX_POOL_2D: int8Needs(2),
  MEAN: int8Needs(2),
  MINIMUM: int8Needs(2),
  MUL: int8Needs(2),
  PAD: int8Needs(2),
  PADV2: int8Needs(2),
  REDUCE_MAX: int8Needs(2),
  QUANTIZE: int8Needs(2),
  RELU: int8Needs(2),
  RELU6: int8Needs(2),
  RESIZE_BILINEAR: 3,
  RESIZE_NEAREST_NEIGHBOR: 3,
  SLICE: int8Needs(2),
  SOFTMAX: int8Needs(2),
  STRIDED_SLICE: int8Needs(2),
  SUB: int8Needs(2),
  SUM: int8Needs(2),
  TANH: int8Needs(2),
  TILE: int8Needs(2),
  TRANSPOSE: int8Needs(2),
  TRANSPOSE_CONV: 3,
  UNIDIRECTIONAL_SEQUENCE_LSTM: (operation) => (isHybrid(operation) ? 3 : 1),
};

function isPerChannelWeight(operation: Operation): boolean {
  return (operation.inputs[0]?.quantization?.scale.length ?? 0) > 1;
}

export function versionOf(operation: Operation): number {
  const version = versions[operation.operator] ?? 1;
  return typeof version === 'number' ? version : version(operation);
}
