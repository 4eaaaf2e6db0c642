import { createHash } from 'node:crypto';
import { ConversionError } from '../errors.ts';
import { maxElements } from './evaluate/tensor.ts';
import {
  type ConstantData,
  type Graph,
  type Operation,
  type Program,
  tensorTypes,
  type Value,
} from './ir.ts';
import { encodeTable } from './schema/encode.ts';
import { fileIdentifier, modelSchema } from './schema/model.ts';
import { operatorCode } from './schema/operators.ts';
import { operatorOptions } from './schema/options.ts';
import type { Row } from './schema/table.ts';
import { versionOf } from './versions.ts';

/** Offsets of a flatbuffer are 32 bits with a sign; graph and names need some of them. */
const mostBytes = 2 ** 31 - 2 ** 24;

const bytesOf = (data: ConstantData) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const tooLarge = (what: string) =>
  new ConversionError(
    'CONVERSION_BAD_OPTION',
    `A .tflite file holds 2 GiB, in constants of at most ${maxElements} numbers, and ${what}; take the target onnx`,
  );

/** Constants with the same bytes are stored once: shared layers and repeated shapes cost nothing. */
class Buffers {
  /** Buffer 0 is empty by convention: values that are computed refer to it. */
  readonly rows: Row[] = [{}];
  readonly #known = new Map<string, number>();
  sizeBytes = 0;

  /** @throws ConversionError CONVERSION_BAD_OPTION */
  indexOf(data: ConstantData): number {
    const bytes = bytesOf(data);
    if (data.length > maxElements) throw tooLarge(`a constant has ${data.length} numbers`);
    const key = createHash('sha256').update(bytes).digest('hex');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.sizeBytes += bytes.length;
    if (this.sizeBytes > mostBytes) throw tooLarge(`the weights have ${this.sizeBytes} bytes and more`);
    this.#known.set(key, this.rows.length);
    return this.rows.push({ data: bytes }) - 1;
  }
}

/** Operator and version pairs, in the order of first use. */
class OperatorCodes {
  readonly rows: Row[] = [];
  readonly #known = new Map<string, number>();

  indexOf(operation: Operation): number {
    const version = versionOf(operation);
    const key = `${operation.operator}:${version}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const code = operatorCode(operation.operator);
    // Readers from before there were more than 127 operators look at the 8-bit field.
    this.rows.push({ deprecatedBuiltinCode: Math.min(code, 127), builtinCode: code, version });
    this.#known.set(key, this.rows.length - 1);
    return this.rows.length - 1;
  }
}

function tensorRow(value: Value, buffers: Buffers): Row {
  const { quantization } = value;
  return {
    name: value.name,
    type: tensorTypes[value.dtype],
    shape: value.shape.map((size) => (size < 0 ? 1 : size)),
    hasRank: true,
    buffer: value.data === undefined ? 0 : buffers.indexOf(value.data),
    ...(value.shape.some((size) => size < 0) ? { shapeSignature: value.shape } : {}),
    ...(quantization === undefined
      ? {}
      : {
          quantization: {
            scale: quantization.scale,
            zeroPoint: quantization.zeroPoint,
            quantizedDimension: quantization.dimension,
          },
        }),
  };
}

function subgraphRow(graph: Graph, buffers: Buffers, codes: OperatorCodes): Row {
  const indices = new Map<Value, number>();
  const sameConstant = new Map<string, number>();
  const tensors: Row[] = [];
  const indexOf = (value: Value): number => {
    const known = indices.get(value);
    if (known !== undefined) return known;
    const row = tensorRow(value, buffers);
    const { name: _, ...content } = row;
    const key = value.data === undefined ? undefined : JSON.stringify(content);
    const same = key === undefined ? undefined : sameConstant.get(key);
    const index = same ?? tensors.push(row) - 1;
    if (key !== undefined) sameConstant.set(key, index);
    indices.set(value, index);
    return index;
  };
  const inputs = graph.inputs.map(indexOf);
  const operators = graph.operations.map((operation): Row => {
    const options = operatorOptions[operation.operator];
    return {
      opcodeIndex: codes.indexOf(operation),
      inputs: operation.inputs.map((input) => (input === undefined ? -1 : indexOf(input))),
      outputs: operation.outputs.map(indexOf),
      ...(options === undefined
        ? {}
        : {
            builtinOptionsType: options.code,
            builtinOptions: { schema: options.table, row: { ...operation.options } },
          }),
    };
  });
  return { name: graph.name, tensors, inputs, operators, outputs: graph.outputs.map(indexOf) };
}

/**
 * The bytes of a .tflite file: the same program gives the same bytes.
 * @throws ConversionError CONVERSION_BAD_OPTION where the weights do not fit the format.
 */
export function assemble(program: Program): Uint8Array {
  const buffers = new Buffers();
  const codes = new OperatorCodes();
  const subgraphs: Row[] = program.graphs.map((graph) => subgraphRow(graph, buffers, codes));
  const main = subgraphs[0] as Row;
  const maps = (names: readonly string[], tensors: readonly number[]) =>
    names.map((name, i) => ({ name, tensorIndex: tensors[i] as number }));
  const row: Row = {
    version: 3,
    operatorCodes: codes.rows,
    subgraphs,
    description: 'modelmile',
    buffers: buffers.rows,
    signatureDefs: [
      {
        inputs: maps(program.inputNames, main['inputs'] as number[]),
        outputs: maps(program.outputNames, main['outputs'] as number[]),
        signatureKey: 'serving_default',
        subgraphIndex: 0,
      },
    ],
  };
  return encodeTable(modelSchema, row, fileIdentifier, buffers.sizeBytes + 65_536);
}
