import type { Servable } from '../../engine/servable.ts';
import { countOf, type TensorValue } from '../../engine/tensor.ts';
import { badInput } from '../../validation.ts';
import { fromOpenInference, openInferenceNames } from '../../wire/open-inference.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import { JsonReader } from '../../wire/reader.ts';
import type { Tensor } from '../../wire/tensor.ts';

/** One output that a request names. */
export interface RequestedOutput {
  readonly name: string;
  /** Undefined where the request's own default counts. */
  readonly binary: boolean | undefined;
  /** Above 0: the answer is the k best classes instead of the values. */
  readonly classification: number;
}

/** One input as the JSON describes it. */
export interface InputHead extends Omit<TensorValue, 'data'> {
  /** Elements that the shape asks for. */
  readonly count: number;
  /** Its data; undefined where they lie behind the JSON. */
  readonly data: TensorValue['data'] | undefined;
  /** Bytes behind the JSON that are its data. */
  readonly binaryBytes: number;
}

/** What the JSON of a request says. */
export interface InferHead {
  readonly id: string | undefined;
  readonly inputs: readonly InputHead[];
  /** Undefined where all outputs are wanted. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  readonly binaryByDefault: boolean;
  readonly timeoutMs: number | undefined;
}

type Parameters = Readonly<Record<string, unknown>>;

/** What the JSON says of one input, before it is known whether that makes sense. */
interface Described {
  name: string;
  shape: readonly number[];
  datatype: string;
  parameters: Parameters;
  tensor: Tensor | undefined;
}

/** Longer ones are not remembered. */
const maxRememberedBytes = 4096;

interface Remembered {
  readonly bytes: Buffer;
  readonly policy: NonFinitePolicy;
  readonly head: InferHead;
}

/** By version: where the data are binary, a client says the same of them again and again. */
const remembered = new WeakMap<Servable, Remembered>();

/**
 * The head of a request, worked out only once where the one before was the same.
 * @param jsonBytes of the body; what follows them is not looked at
 * @throws WireFault, ServingError SERVING_BAD_INPUT
 */
export function inferHeadOf(
  servable: Servable,
  body: Buffer,
  jsonBytes: number,
  policy: NonFinitePolicy,
): InferHead {
  const last = remembered.get(servable);
  const isSame =
    last !== undefined &&
    last.policy === policy &&
    last.bytes.length === jsonBytes &&
    last.bytes.compare(body, 0, jsonBytes) === 0;
  if (isSame) return last.head;
  const json = body.subarray(0, jsonBytes);
  const head = readInferHead(servable, json, policy);
  if (jsonBytes <= maxRememberedBytes && head.inputs.every(({ data }) => data === undefined))
    // Copied: the memory of the body is used again.
    remembered.set(servable, { bytes: Buffer.from(json), policy, head });
  return head;
}

function readInferHead(servable: Servable, json: Buffer, policy: NonFinitePolicy): InferHead {
  const reader = new JsonReader([json], policy);
  if (!reader.isObject()) throw reader.fault('WIRE_NOT_AN_OBJECT');
  const inputs: Described[] = [];
  let id: string | undefined;
  let parameters: Parameters = {};
  let outputs: RequestedOutput[] | undefined;
  reader.object((key) => {
    if (key === 'id') id = reader.string('id');
    else if (key === 'parameters') parameters = parametersOf(servable, reader.value());
    else if (key === 'inputs') {
      inputs.length = 0;
      reader.array((index) => inputs.push(readInput(servable, reader, `inputs[${index}]`)));
    } else if (key === 'outputs') outputs = requestedOutputs(servable, reader.value());
    else reader.value();
  });
  reader.end();
  if (inputs.length === 0) throw badInput(servable, "'inputs' must be a list with at least one tensor");

  const timeout = parameters['timeout'];
  return {
    id,
    inputs: inputs.map((input) => inputHead(servable, input)),
    outputs,
    binaryByDefault: parameters['binary_data_output'] === true,
    // Triton's parameter, in microseconds.
    timeoutMs: typeof timeout === 'number' && timeout > 0 ? timeout / 1000 : undefined,
  };
}

function readInput(servable: Servable, reader: JsonReader, path: string): Described {
  const input: Described = { name: '', shape: [], datatype: '', parameters: {}, tensor: undefined };
  let dataAt: number | undefined;
  reader.object((key) => {
    if (key === 'name') input.name = reader.string(`${path}.name`);
    else if (key === 'datatype') input.datatype = reader.string(`${path}.datatype`);
    else if (key === 'shape') input.shape = shapeOf(reader.tensor('int64', `${path}.shape`));
    else if (key === 'parameters') input.parameters = parametersOf(servable, reader.value());
    else if (key !== 'data') reader.value();
    else if (input.datatype !== '') input.tensor = reader.tensor(dtypeOf(servable, input), `${path}.data`);
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
    input.tensor = reader.tensor(dtypeOf(servable, input), `${path}.data`);
    reader.at = after;
  }
  return input;
}

function inputHead(servable: Servable, input: Described): InputHead {
  const { name, shape, tensor } = input;
  const dtype = dtypeOf(servable, input);
  if (shape.some((size) => size < 0))
    throw badInput(servable, `Input '${name}': shape must be a list of sizes`);
  const count = countOf(shape);
  const size = input.parameters['binary_data_size'];
  if (size === undefined) {
    if (!tensor) throw badInput(servable, `Input '${name}' has neither data nor binary_data_size`);
    if (count !== tensor.data.length) {
      throw badInput(
        servable,
        `Input '${name}': shape [${shape}] holds ${count} values, data has ${tensor.data.length}`,
      );
    }
    return { name, dtype, shape, count, data: tensor.data, binaryBytes: 0 };
  }
  if (tensor) throw badInput(servable, `Input '${name}' has both data and binary_data_size`);
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0)
    throw badInput(servable, `Input '${name}': binary_data_size is ${size}, which is no number of bytes`);
  return { name, dtype, shape, count, data: undefined, binaryBytes: size };
}

function parametersOf(servable: Servable, value: unknown): Parameters {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Parameters;
  throw badInput(servable, "'parameters' must be an object");
}

function dtypeOf(servable: Servable, { name, datatype }: Described) {
  const dtype = fromOpenInference(datatype);
  if (dtype) return dtype;
  const known = Object.values(openInferenceNames).join(', ');
  throw badInput(servable, `Input '${name}': datatype '${datatype}' is none of ${known}`);
}

function shapeOf({ shape, data }: Tensor): readonly number[] {
  return shape.length === 1 ? Array.from(data as BigInt64Array, Number) : [-1];
}

function requestedOutputs(servable: Servable, value: unknown): RequestedOutput[] | undefined {
  if (!Array.isArray(value)) throw badInput(servable, "'outputs' must be a list");
  // As over gRPC, where an empty list is what is sent for none.
  if (value.length === 0) return undefined;
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
