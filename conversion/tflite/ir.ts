/** Element types that this converter writes, under the manifest's names; the number is TFLite's TensorType. */
export const tensorTypes = {
  float32: 0,
  float16: 1,
  int32: 2,
  uint8: 3,
  int64: 4,
  bool: 6,
  int16: 7,
  int8: 9,
} as const;
export type TfliteType = keyof typeof tensorTypes;

/** Values of a constant, row-major; float16 travels as its bits. */
export type ConstantData =
  | Float32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

/** real = scale[c] * (stored - zeroPoint[c]), c along `dimension`; one entry is for the whole tensor. */
export interface Quantization {
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  readonly dimension: number;
}

/** A tensor of the graph; -1 is a size that is known at run time only. Constants have `data`. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: TfliteType;
  readonly data?: ConstantData;
  readonly quantization?: Quantization;
}

export type Options = Readonly<Record<string, number | boolean | readonly number[]>>;

/** One operator by TFLite's name. `undefined` as an input is TFLite's "left out". */
export interface Operation {
  readonly operator: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly options: Options;
}

/** A subgraph: operations in the order of computation. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly operations: readonly Operation[];
}

/** A model before it has tensor indices and buffers. `graphs[0]` is what runs; the others are bodies of loops. */
export interface Program {
  readonly graphs: readonly Graph[];
  /** Names that callers see, in the order of `graphs[0]`'s inputs and outputs. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

/** Number of elements; 1 for a scalar. */
export const countOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);
