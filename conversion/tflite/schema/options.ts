import type { TableSchema } from './table.ts';

/** The options that an operator carries: the union's code and the fields of its table. Operators that are not here have none. */
export interface OptionsSchema {
  readonly code: number;
  readonly table: TableSchema;
}

const none = {} as const satisfies TableSchema;
const conv2D: OptionsSchema = {
  code: 1,
  table: {
    padding: { id: 0, type: 'int8' },
    strideW: { id: 1, type: 'int32' },
    strideH: { id: 2, type: 'int32' },
    fusedActivationFunction: { id: 3, type: 'int8' },
    dilationWFactor: { id: 4, type: 'int32', default: 1 },
    dilationHFactor: { id: 5, type: 'int32', default: 1 },
    quantizedBiasType: { id: 6, type: 'int8' },
  },
};
const depthwiseConv2D: OptionsSchema = {
  code: 2,
  table: {
    padding: { id: 0, type: 'int8' },
    strideW: { id: 1, type: 'int32' },
    strideH: { id: 2, type: 'int32' },
    depthMultiplier: { id: 3, type: 'int32' },
    fusedActivationFunction: { id: 4, type: 'int8' },
    dilationWFactor: { id: 5, type: 'int32', default: 1 },
    dilationHFactor: { id: 6, type: 'int32', default: 1 },
  },
};
const pool2D: OptionsSchema = {
  code: 5,
  table: {
    padding: { id: 0, type: 'int8' },
    strideW: { id: 1, type: 'int32' },
    strideH: { id: 2, type: 'int32' },
    filterWidth: { id: 3, type: 'int32' },
    filterHeight: { id: 4, type: 'int32' },
    fusedActivationFunction: { id: 5, type: 'int8' },
  },
};
const fullyConnected: OptionsSchema = {
  code: 8,
  table: {
    fusedActivationFunction: { id: 0, type: 'int8' },
    weightsFormat: { id: 1, type: 'int8' },
    keepNumDims: { id: 2, type: 'bool' },
    asymmetricQuantizeInputs: { id: 3, type: 'bool' },
    quantizedBiasType: { id: 4, type: 'int8' },
  },
};
const softmax: OptionsSchema = { code: 9, table: { beta: { id: 0, type: 'float32' } } };
const concatenation: OptionsSchema = {
  code: 10,
  table: { axis: { id: 0, type: 'int32' }, fusedActivationFunction: { id: 1, type: 'int8' } },
};
const add: OptionsSchema = {
  code: 11,
  table: {
    fusedActivationFunction: { id: 0, type: 'int8' },
    potScaleInt16: { id: 1, type: 'bool', default: 1 },
  },
};
const resizeBilinear: OptionsSchema = {
  code: 15,
  table: { alignCorners: { id: 2, type: 'bool' }, halfPixelCenters: { id: 3, type: 'bool' } },
};
const reshape: OptionsSchema = { code: 17, table: { newShape: { id: 0, type: 'int32s' } } };
const mul: OptionsSchema = { code: 21, table: { fusedActivationFunction: { id: 0, type: 'int8' } } };
const pad: OptionsSchema = { code: 22, table: none };
const gather: OptionsSchema = {
  code: 23,
  table: { axis: { id: 0, type: 'int32' }, batchDims: { id: 1, type: 'int32' } },
};
const transpose: OptionsSchema = { code: 26, table: none };
const reducer: OptionsSchema = { code: 27, table: { keepDims: { id: 0, type: 'bool' } } };
const sub: OptionsSchema = {
  code: 28,
  table: {
    fusedActivationFunction: { id: 0, type: 'int8' },
    potScaleInt16: { id: 1, type: 'bool', default: 1 },
  },
};
const div: OptionsSchema = { code: 29, table: { fusedActivationFunction: { id: 0, type: 'int8' } } };
const squeeze: OptionsSchema = { code: 30, table: { squeezeDims: { id: 0, type: 'int32s' } } };
const stridedSlice: OptionsSchema = {
  code: 32,
  table: {
    beginMask: { id: 0, type: 'int32' },
    endMask: { id: 1, type: 'int32' },
    ellipsisMask: { id: 2, type: 'int32' },
    newAxisMask: { id: 3, type: 'int32' },
    shrinkAxisMask: { id: 4, type: 'int32' },
    offset: { id: 5, type: 'bool' },
  },
};
const exp: OptionsSchema = { code: 33, table: none };
const split: OptionsSchema = { code: 35, table: { numSplits: { id: 0, type: 'int32' } } };
const logSoftmax: OptionsSchema = { code: 36, table: none };
const cast: OptionsSchema = {
  code: 37,
  table: { inDataType: { id: 0, type: 'int8' }, outDataType: { id: 1, type: 'int8' } },
};
const dequantize: OptionsSchema = { code: 38, table: none };
const maximumMinimum: OptionsSchema = { code: 39, table: none };
const less: OptionsSchema = { code: 41, table: none };
const neg: OptionsSchema = { code: 42, table: none };
const padV2: OptionsSchema = { code: 43, table: none };
const greater: OptionsSchema = { code: 44, table: none };
const greaterEqual: OptionsSchema = { code: 45, table: none };
const lessEqual: OptionsSchema = { code: 46, table: none };
const slice: OptionsSchema = { code: 48, table: none };
const transposeConv: OptionsSchema = {
  code: 49,
  table: {
    padding: { id: 0, type: 'int8' },
    strideW: { id: 1, type: 'int32' },
    strideH: { id: 2, type: 'int32' },
    fusedActivationFunction: { id: 3, type: 'int8' },
    quantizedBiasType: { id: 4, type: 'int8' },
  },
};
const tile: OptionsSchema = { code: 51, table: none };
const expandDims: OptionsSchema = { code: 52, table: none };
const equal: OptionsSchema = { code: 53, table: none };
const notEqual: OptionsSchema = { code: 54, table: none };
const shape: OptionsSchema = { code: 55, table: { outType: { id: 0, type: 'int8' } } };
const pow: OptionsSchema = { code: 56, table: none };
const pack: OptionsSchema = {
  code: 59,
  table: { valuesCount: { id: 0, type: 'int32' }, axis: { id: 1, type: 'int32' } },
};
const logicalOr: OptionsSchema = { code: 60, table: none };
const logicalAnd: OptionsSchema = { code: 62, table: none };
const logicalNot: OptionsSchema = { code: 63, table: none };
const unpack: OptionsSchema = {
  code: 64,
  table: { num: { id: 0, type: 'int32' }, axis: { id: 1, type: 'int32' } },
};
const square: OptionsSchema = { code: 66, table: none };
const fill: OptionsSchema = { code: 68, table: none };
const unidirectionalSequenceLSTM: OptionsSchema = {
  code: 71,
  table: {
    fusedActivationFunction: { id: 0, type: 'int8' },
    cellClip: { id: 1, type: 'float32' },
    projClip: { id: 2, type: 'float32' },
    timeMajor: { id: 3, type: 'bool' },
    asymmetricQuantizeInputs: { id: 4, type: 'bool' },
    diagonalRecurrentTensors: { id: 5, type: 'bool' },
  },
};
const resizeNearestNeighbor: OptionsSchema = {
  code: 74,
  table: { alignCorners: { id: 0, type: 'bool' }, halfPixelCenters: { id: 1, type: 'bool' } },
};
const leakyRelu: OptionsSchema = { code: 75, table: { alpha: { id: 0, type: 'float32' } } };
const squaredDifference: OptionsSchema = { code: 76, table: none };
const mirrorPad: OptionsSchema = { code: 77, table: { mode: { id: 0, type: 'int8' } } };
const abs: OptionsSchema = { code: 78, table: none };
const splitV: OptionsSchema = { code: 79, table: { numSplits: { id: 0, type: 'int32' } } };
const reverseV2: OptionsSchema = { code: 81, table: none };
const quantize: OptionsSchema = { code: 89, table: none };
const hardSwish: OptionsSchema = { code: 91, table: none };
const whileLoop: OptionsSchema = {
  code: 93,
  table: { condSubgraphIndex: { id: 0, type: 'int32' }, bodySubgraphIndex: { id: 1, type: 'int32' } },
};
const selectV2: OptionsSchema = { code: 98, table: none };
const batchMatMul: OptionsSchema = {
  code: 101,
  table: {
    adjX: { id: 0, type: 'bool' },
    adjY: { id: 1, type: 'bool' },
    asymmetricQuantizeInputs: { id: 2, type: 'bool' },
  },
};
const broadcastTo: OptionsSchema = { code: 104, table: none };
const conv3D: OptionsSchema = {
  code: 106,
  table: {
    padding: { id: 0, type: 'int8' },
    strideD: { id: 1, type: 'int32' },
    strideW: { id: 2, type: 'int32' },
    strideH: { id: 3, type: 'int32' },
    fusedActivationFunction: { id: 4, type: 'int8' },
    dilationDFactor: { id: 5, type: 'int32', default: 1 },
    dilationWFactor: { id: 6, type: 'int32', default: 1 },
    dilationHFactor: { id: 7, type: 'int32', default: 1 },
  },
};
const gelu: OptionsSchema = { code: 116, table: { approximate: { id: 0, type: 'bool' } } };

/**
 * Options by operator.
 * @see https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs (union BuiltinOptions)
 */
export const operatorOptions: Readonly<Record<string, OptionsSchema>> = {
  ABS: abs,
  ADD: add,
  AVERAGE_POOL_2D: pool2D,
  BATCH_MATMUL: batchMatMul,
  BROADCAST_TO: broadcastTo,
  CAST: cast,
  CONCATENATION: concatenation,
  CONV_2D: conv2D,
  CONV_3D: conv3D,
  DEPTHWISE_CONV_2D: depthwiseConv2D,
  DEQUANTIZE: dequantize,
  DIV: div,
  EQUAL: equal,
  EXP: exp,
  EXPAND_DIMS: expandDims,
  FILL: fill,
  FULLY_CONNECTED: fullyConnected,
  GATHER: gather,
  GELU: gelu,
  GREATER: greater,
  GREATER_EQUAL: greaterEqual,
  HARD_SWISH: hardSwish,
  LEAKY_RELU: leakyRelu,
  LESS: less,
  LESS_EQUAL: lessEqual,
  LOGICAL_AND: logicalAnd,
  LOGICAL_NOT: logicalNot,
  LOGICAL_OR: logicalOr,
  LOG_SOFTMAX: logSoftmax,
  MAXIMUM: maximumMinimum,
  MAX_POOL_2D: pool2D,
  MEAN: reducer,
  MINIMUM: maximumMinimum,
  MIRROR_PAD: mirrorPad,
  MUL: mul,
  NEG: neg,
  NOT_EQUAL: notEqual,
  PACK: pack,
  PAD: pad,
  PADV2: padV2,
  POW: pow,
  QUANTIZE: quantize,
  REDUCE_ALL: reducer,
  REDUCE_ANY: reducer,
  REDUCE_MAX: reducer,
  REDUCE_MIN: reducer,
  REDUCE_PROD: reducer,
  RESHAPE: reshape,
  RESIZE_BILINEAR: resizeBilinear,
  RESIZE_NEAREST_NEIGHBOR: resizeNearestNeighbor,
  REVERSE_V2: reverseV2,
  SELECT_V2: selectV2,
  SHAPE: shape,
  SLICE: slice,
  SOFTMAX: softmax,
  SPLIT: split,
  SPLIT_V: splitV,
  SQUARE: square,
  SQUARED_DIFFERENCE: squaredDifference,
  SQUEEZE: squeeze,
  STRIDED_SLICE: stridedSlice,
  SUB: sub,
  SUM: reducer,
  TILE: tile,
  TRANSPOSE: transpose,
  TRANSPOSE_CONV: transposeConv,
  UNIDIRECTIONAL_SEQUENCE_LSTM: unidirectionalSequenceLSTM,
  UNPACK: unpack,
  WHILE: whileLoop,
};
