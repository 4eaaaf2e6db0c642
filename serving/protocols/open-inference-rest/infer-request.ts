import type { Servable } from '../../engine/servable.ts';
import { countOf, rowSizeOf, type TensorValue } from '../../engine/tensor.ts';
import { ServingError } from '../../errors.ts';
import { badInput } from '../../validation.ts';
import { WireFault } from '../../wire/faults.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import { dataFromRaw } from '../../wire/raw.ts';
import { type InferHead, type InputHead, inferHeadOf } from './infer-head.ts';

/** Header that says how many bytes of a body are JSON; what follows them is binary tensor data. */
export const jsonLengthHeader = 'inference-header-content-length';

/** A request with all of its data. */
export interface InferRequest {
  readonly head: Omit<InferHead, 'inputs'>;
  readonly inputs: readonly TensorValue[];
}

const noBytes = Buffer.alloc(0);
const ofRawInput: InferRequest['head'] = {
  id: undefined,
  outputs: undefined,
  binaryByDefault: true,
  timeoutMs: undefined,
};

/** @throws ServingError SERVING_BAD_JSON, SERVING_BAD_INPUT, with a request that works */
export function readInferRequest(
  servable: Servable,
  body: Buffer,
  jsonLength: string | undefined,
  policy: NonFinitePolicy,
): InferRequest {
  try {
    if (jsonLength === undefined) return read(servable, body, body.length, policy);
    const length = Number(jsonLength);
    if (!/^\d+$/.test(jsonLength) || length > body.length) {
      throw badInput(servable, `${jsonLengthHeader} is ${jsonLength}, the body has ${body.length} bytes`);
    }
    return length === 0 ? readRawInput(servable, body) : read(servable, body, length, policy);
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
  const bytes = dataFromRaw(spec.dtype, 0, noBytes, spec.name);
  const elementBytes = (bytes as Float32Array).BYTES_PER_ELEMENT;
  const rows = spec.shape[0] === -1 ? Math.floor(body.length / (rowSize * elementBytes)) : 1;
  const shape = spec.shape[0] === -1 ? [rows, ...spec.shape.slice(1)] : spec.shape;
  const data = dataFromRaw(spec.dtype, countOf(shape), body, spec.name);
  return { head: ofRawInput, inputs: [{ name: spec.name, dtype: spec.dtype, shape, data }] };
}

function read(servable: Servable, body: Buffer, jsonBytes: number, policy: NonFinitePolicy): InferRequest {
  const head = inferHeadOf(servable, body, jsonBytes, policy);
  return { head, inputs: withBinaryData(servable, head.inputs, body, jsonBytes) };
}

/** @param from where the data begin that are not in the JSON */
function withBinaryData(
  servable: Servable,
  heads: readonly InputHead[],
  body: Buffer,
  from: number,
): TensorValue[] {
  let at = from;
  const tensors = heads.map(({ name, dtype, shape, count, data, binaryBytes }): TensorValue => {
    if (data !== undefined) return { name, dtype, shape, data };
    if (at + binaryBytes > body.length) {
      throw badInput(
        servable,
        `Input '${name}': binary_data_size is ${binaryBytes}, the body has ${body.length - at} bytes of binary data left`,
      );
    }
    const bytes = body.subarray(at, at + binaryBytes);
    at += binaryBytes;
    return { name, dtype, shape, data: dataFromRaw(dtype, count, bytes, `input '${name}'`) };
  });
  if (at === body.length) return tensors;
  throw badInput(servable, `${body.length - at} bytes of binary data belong to no input`);
}
