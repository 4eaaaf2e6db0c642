import { ConversionError } from '../errors.ts';
import { type ConstantData, countOf, tensorTypes } from './ir.ts';
import { decodeTable } from './schema/decode.ts';
import { fileIdentifier, modelSchema } from './schema/model.ts';
import { operatorNames } from './schema/operators.ts';
import { operatorOptions } from './schema/options.ts';
import type { Row } from './schema/table.ts';

/** A tensor of a file. `dtype` is undefined for element types that nothing here computes with. */
export interface FileTensor {
  readonly name: string;
  /** As an interpreter sees it before inputs are resized; `signatureShape` has -1 for sizes that are open. */
  readonly shape: readonly number[];
  readonly signatureShape: readonly number[];
  readonly dtype: keyof typeof tensorTypes | undefined;
  readonly data: ConstantData | undefined;
  readonly quantization:
    | { readonly scale: readonly number[]; readonly zeroPoint: readonly number[]; readonly dimension: number }
    | undefined;
}

export interface FileOperator {
  /** TFLite's name, `CUSTOM:<code>` for custom ones. */
  readonly operator: string;
  /** Tensor indices; -1 is "left out". */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: Readonly<Record<string, unknown>>;
}

export interface FileSubgraph {
  readonly name: string;
  readonly tensors: readonly FileTensor[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly FileOperator[];
}

/** A .tflite file whose indices and sizes have been checked. */
export interface TfliteFile {
  readonly description: string;
  readonly subgraphs: readonly FileSubgraph[];
  /** Names for callers, in the order of `subgraphs[0]`'s inputs and outputs. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

const typeNames = new Map(Object.entries(tensorTypes).map(([name, code]) => [code as number, name]));

const views = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  int16: Int16Array,
  int8: Int8Array,
} as const;

class Corrupt extends ConversionError {
  constructor(where: string, what: string) {
    super('CONVERSION_SOURCE_CORRUPT', `${where} is not a sound .tflite file: ${what}`);
  }
}

const rowsOf = (row: Row, field: string) => (row[field] ?? []) as readonly Row[];
const numbersOf = (row: Row, field: string) => (row[field] ?? []) as readonly number[];

function tensorOf(row: Row, buffers: readonly Row[], where: string): FileTensor {
  const name = String(row['name'] ?? '');
  const shape = numbersOf(row, 'shape');
  if (shape.some((size) => size < -1)) throw new Corrupt(where, `tensor '${name}' has the shape [${shape}]`);
  const dtype = typeNames.get(row['type'] as number) as FileTensor['dtype'];
  const buffer = buffers[row['buffer'] as number];
  if (buffer === undefined) throw new Corrupt(where, `tensor '${name}' refers to a buffer that is not there`);
  const bytes = buffer['data'] as Uint8Array | undefined;
  let data: ConstantData | undefined;
  if (bytes !== undefined && bytes.length > 0 && dtype !== undefined) {
    const View = views[dtype];
    if (bytes.length !== countOf(shape) * View.BYTES_PER_ELEMENT) {
      throw new Corrupt(where, `tensor '${name}' [${shape}] has ${bytes.length} bytes`);
    }
    const aligned = bytes.byteOffset % View.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
    data = new View(aligned.buffer as ArrayBuffer, aligned.byteOffset, countOf(shape)) as ConstantData;
  }
  const quantization = row['quantization'] as Row | undefined;
  const scale = quantization === undefined ? [] : numbersOf(quantization, 'scale');
  const zeroPoint = quantization === undefined ? [] : numbersOf(quantization, 'zeroPoint');
  const dimension = Number(quantization?.['quantizedDimension'] ?? 0);
  if (scale.length > 1 && scale.length !== shape[dimension]) {
    throw new Corrupt(where, `tensor '${name}' [${shape}] has ${scale.length} scales`);
  }
  const open = numbersOf(row, 'shapeSignature');
  return {
    name,
    shape,
    signatureShape: open.length === shape.length ? open : shape,
    dtype,
    data,
    quantization:
      scale.length === 0
        ? undefined
        : { scale, zeroPoint: scale.map((_, i) => zeroPoint[i] ?? zeroPoint[0] ?? 0), dimension },
  };
}

function operatorName(code: Row, where: string): string {
  // Files from before there were more than 127 operators have the 8-bit field only.
  const index = Math.max(Number(code['builtinCode']), Number(code['deprecatedBuiltinCode']));
  const name = operatorNames[index];
  if (name === undefined) throw new Corrupt(where, `there is no operator ${index}`);
  return name === 'CUSTOM' ? `CUSTOM:${String(code['customCode'] ?? '')}` : name;
}

function subgraphOf(
  row: Row,
  buffers: readonly Row[],
  codes: readonly string[],
  where: string,
): FileSubgraph {
  const tensors = rowsOf(row, 'tensors').map((tensor) => tensorOf(tensor, buffers, where));
  const checked = (indices: readonly number[], lowest: number) => {
    const bad = indices.find((index) => index < lowest || index >= tensors.length);
    if (bad !== undefined) throw new Corrupt(where, `there is no tensor ${bad}`);
    return indices;
  };
  return {
    name: String(row['name'] ?? ''),
    tensors,
    inputs: checked(numbersOf(row, 'inputs'), 0),
    outputs: checked(numbersOf(row, 'outputs'), 0),
    operators: rowsOf(row, 'operators').map((operator) => {
      const name = codes[operator['opcodeIndex'] as number];
      if (name === undefined) throw new Corrupt(where, 'an operator refers to a code that is not there');
      const options = operator['builtinOptions'] as { row: Row } | undefined;
      return {
        operator: name,
        inputs: checked(numbersOf(operator, 'inputs'), -1),
        outputs: checked(numbersOf(operator, 'outputs'), 0),
        options: options?.row ?? {},
      };
    }),
  };
}

/** The options that a union's code stands for; of operators that nothing here knows they are skipped. */
const schemas = new Map(Object.values(operatorOptions).map(({ code, table }) => [code, table]));

function namesOf(main: FileSubgraph, maps: readonly Row[], indices: readonly number[]): string[] {
  const named = new Map(maps.map((map) => [Number(map['tensorIndex']), String(map['name'] ?? '')]));
  const byTensor = indices.map((index) => named.get(index) ?? (main.tensors[index] as FileTensor).name);
  // One tensor may be two outputs: the signature's order is the subgraph's then.
  const isPaired = maps.length === indices.length && new Set(byTensor).size !== byTensor.length;
  return isPaired ? maps.map((map) => String(map['name'] ?? '')) : byTensor;
}

/**
 * Reads a .tflite file whose bytes nobody has vouched for.
 * @throws ConversionError CONVERSION_SOURCE_CORRUPT
 */
export function readTflite(bytes: Uint8Array, where: string): TfliteFile {
  if (bytes.length < 16 || new TextDecoder().decode(bytes.subarray(4, 8)) !== fileIdentifier) {
    throw new Corrupt(where, `it has no '${fileIdentifier}' at byte 4`);
  }
  let model: Row;
  try {
    model = decodeTable(modelSchema, bytes, (row) => schemas.get(row['builtinOptionsType'] as number));
  } catch (error) {
    if (error instanceof Error) throw new Corrupt(where, error.message);
    throw error;
  }
  const codes = rowsOf(model, 'operatorCodes').map((code) => operatorName(code, where));
  const buffers = rowsOf(model, 'buffers');
  const subgraphs = rowsOf(model, 'subgraphs').map((row) => subgraphOf(row, buffers, codes, where));
  const main = subgraphs[0];
  if (main === undefined || main.outputs.length === 0) throw new Corrupt(where, 'it computes nothing');
  const signature = rowsOf(model, 'signatureDefs').find((row) => Number(row['subgraphIndex']) === 0) ?? {};
  return {
    description: String(model['description'] ?? ''),
    subgraphs,
    inputNames: namesOf(main, rowsOf(signature, 'inputs'), main.inputs),
    outputNames: namesOf(main, rowsOf(signature, 'outputs'), main.outputs),
  };
}
