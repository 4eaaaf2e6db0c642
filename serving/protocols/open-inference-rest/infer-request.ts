import { badInput } from '../../dataplane.ts';
import type { Servable } from '../../engine/servable.ts';
import { countOf, rowSizeOf, type TensorValue } from '../../engine/tensor.ts';
import { ServingError } from '../../errors.ts';
import { WireFault } from '../../wire/faults.ts';
import { fromOpenInference, openInferenceNames } from '../../wire/open-inference.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import { dataFromRaw } from '../../wire/raw.ts';
import { JsonReader } from '../../wire/reader.ts';
import type { Tensor } from '../../wire/tensor.ts';

/** Header that says how many bytes of a body are JSON; what follows them is binary tensor data. */
export const jsonLengthHeader = 'inference-header-content-length';

/** One output that a request names. */
export interface RequestedOutput {
  readonly name: string;
  /** Undefined where the request's own default counts. */
  readonly binary: boolean | undefined;
  /** Above 0: the answer is the k best classes instead of the values. */
  readonly classification: number;
}

export interface InferRequest {
  readonly id: string | undefined;
  readonly inputs: readonly TensorValue[];
  /** Undefined where all outputs are wanted. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  readonly binaryByDefault: boolean;
  readonly timeoutMs: number | undefined;
}

type Parameters = Readonly<Record<string, unknown>>;

/** What the JSON says of one input, before its data are found. */
interface InputHead {
  name: string;
  shape: readonly number[];
  datatype: string;
  parameters: Parameters;
  tensor: Tensor | undefined;
}

/** @throws ServingError SERVING_BAD_JSON, SERVING_BAD_INPUT, with a request that works */
export function readInferRequest(
  servable: Servable,
  body: Buffer,
  jsonLength: string | undefined,
  policy: NonFinitePolicy,
): InferRequest {
  try {
    if (jsonLength === undefined) return readJson(servable, body, Buffer.alloc(0), policy);
    const length = Number(jsonLength);
    if (!/^\d+$/.test(jsonLength) || length > body.length) {
      throw badInput(servable, `${jsonLengthHeader} is ${jsonLength}, the body has ${body.length} bytes`);
    }
    return length === 0
      ? readRawInput(servable, body)
      : readJson(servable, body.subarray(0, length), body.subarray(length), policy);
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
    const isDocument = error.code === 'WIRE_SYNTAX' || error.code === 'WIRE_EMPTY';
    throw new ServingError(isDocument ? 'SERVING_BAD_JSON' : 'SERVING_BAD_INPUT', error.message);
  }
}

/** The whole body is the one input's data. */
function readRawInput(servable: Servable, body: Buffer): InferRequest {
  const [spec] = servable.signature.inputs;
  if (servable.signature.inputs.length !== 1 || !spec) {
    throw badInput(servable, 'A body of raw data is for models with one input');
  }
  const rowSize = rowSizeOf(spec);
  if (rowSize === undefined || spec.dtype === 'string') {
    throw badInput(
      servable,
      `Input '${spec.name}' is ${spec.dtype} [${spec.shape}]: raw data do not say its shape`,
    );
  }
  const bytes = dataFromRaw(spec.dtype, 0, body.subarray(0, 0), spec.name);
  const elementBytes = (bytes as Float32Array).BYTES_PER_ELEMENT;
  const rows = spec.shape[0] === -1 ? Math.floor(body.length / (rowSize * elementBytes)) : 1;
  const shape = spec.shape[0] === -1 ? [rows, ...spec.shape.slice(1)] : spec.shape;
  const data = dataFromRaw(spec.dtype, countOf(shape), body, spec.name);
  return {
    id: undefined,
    inputs: [{ name: spec.name, dtype: spec.dtype, shape, data }],
    outputs: undefined,
    binaryByDefault: true,
    timeoutMs: undefined,
  };
}

function readJson(servable: Servable, json: Buffer, binary: Buffer, policy: NonFinitePolicy): InferRequest {
  const reader = new JsonReader([json], policy);
  if (!reader.isObject()) throw reader.fault('WIRE_NOT_AN_OBJECT');
  const heads: InputHead[] = [];
  let id: string | undefined;
  let parameters: Parameters = {};
  let outputs: RequestedOutput[] | undefined;
  reader.object((key) => {
    if (key === 'id') id = reader.string('id');
    else if (key === 'parameters') parameters = parametersOf(servable, reader.value());
    else if (key === 'inputs') {
      heads.length = 0;
      reader.array((index) => heads.push(readInput(servable, reader, `inputs[${index}]`)));
    } else if (key === 'outputs') outputs = requestedOutputs(servable, reader.value());
    else reader.value();
  });
  reader.end();
  if (heads.length === 0) throw badInput(servable, "'inputs' must be a list with at least one tensor");

  const timeout = parameters['timeout'];
  return {
    id,
    inputs: withBinaryData(servable, heads, binary),
    outputs,
    binaryByDefault: parameters['binary_data_output'] === true,
    // Triton's parameter, in microseconds.
    timeoutMs: typeof timeout === 'number' && timeout > 0 ? timeout / 1000 : undefined,
  };
}

function readInput(servable: Servable, reader: JsonReader, path: string): InputHead {
  const head: InputHead = { name: '', shape: [], datatype: '', parameters: {}, tensor: undefined };
  let dataAt: number | undefined;
  reader.object((key) => {
    if (key === 'name') head.name = reader.string(`${path}.name`);
    else if (key === 'datatype') head.datatype = reader.string(`${path}.datatype`);
    else if (key === 'shape') head.shape = shapeOf(reader.tensor('int64', `${path}.shape`));
    else if (key === 'parameters') head.parameters = parametersOf(servable, reader.value());
    else if (key !== 'data') reader.value();
    else if (head.datatype !== '') head.tensor = reader.tensor(dtypeOf(servable, head), `${path}.data`);
    else {
      // Its type comes behind it.
      reader.peek();
      dataAt = reader.at;
      reader.skip();
    }
  });
  if (dataAt !== undefined) {
    const after = reader.at;
    reader.at = dataAt;
    head.tensor = reader.tensor(dtypeOf(servable, head), `${path}.data`);
    reader.at = after;
  }
  return head;
}

function parametersOf(servable: Servable, value: unknown): Parameters {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Parameters;
  throw badInput(servable, "'parameters' must be an object");
}

function dtypeOf(servable: Servable, { name, datatype }: InputHead) {
  const dtype = fromOpenInference(datatype);
  if (dtype) return dtype;
  const known = Object.values(openInferenceNames).join(', ');
  throw badInput(servable, `Input '${name}': datatype '${datatype}' is none of ${known}`);
}

function shapeOf({ shape, data }: Tensor): readonly number[] {
  return shape.length === 1 ? Array.from(data as BigInt64Array, Number) : [-1];
}

function withBinaryData(servable: Servable, heads: readonly InputHead[], binary: Buffer): TensorValue[] {
  let at = 0;
  const tensors = heads.map((head): TensorValue => {
    const { name, shape, tensor } = head;
    const dtype = dtypeOf(servable, head);
    if (shape.some((size) => size < 0))
      throw badInput(servable, `Input '${name}': shape must be a list of sizes`);
    const size = head.parameters['binary_data_size'];
    if (size === undefined) {
      if (!tensor) throw badInput(servable, `Input '${name}' has neither data nor binary_data_size`);
      if (countOf(shape) !== tensor.data.length) {
        throw badInput(
          servable,
          `Input '${name}': shape [${shape}] holds ${countOf(shape)} values, data has ${tensor.data.length}`,
        );
      }
      return { name, dtype, shape, data: tensor.data };
    }
    if (tensor) throw badInput(servable, `Input '${name}' has both data and binary_data_size`);
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || at + size > binary.length) {
      throw badInput(
        servable,
        `Input '${name}': binary_data_size is ${size}, the body has ${binary.length - at} bytes of binary data left`,
      );
    }
    const data = dataFromRaw(dtype, countOf(shape), binary.subarray(at, at + size), `input '${name}'`);
    at += size;
    return { name, dtype, shape, data };
  });
  if (at === binary.length) return tensors;
  throw badInput(servable, `${binary.length - at} bytes of binary data belong to no input`);
}

function requestedOutputs(servable: Servable, value: unknown): RequestedOutput[] {
  if (!Array.isArray(value)) throw badInput(servable, "'outputs' must be a list");
  return value.map((output: { name?: unknown; parameters?: Parameters } | null) => {
    if (typeof output?.name !== 'string') throw badInput(servable, 'Each of outputs must have a name');
    const { binary_data: binary, classification } = output.parameters ?? {};
    return {
      name: output.name,
      binary: typeof binary === 'boolean' ? binary : undefined,
      classification: typeof classification === 'number' ? Math.max(0, Math.floor(classification)) : 0,
    };
  });
}
