import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DataType } from '../../../conversion/manifest/index.ts';
import { countOf, type TensorValue } from '../../engine/tensor.ts';
import { ServingError } from '../../errors.ts';
import { WireFault } from '../../wire/faults.ts';
import { fromOpenInference, openInferenceNames } from '../../wire/open-inference.ts';
import { bytesOfString, dataFromRaw, rawFromTensor } from '../../wire/raw.ts';
import type { StringData } from '../../wire/tensor.ts';
import { dataFromValues } from '../../wire/values.ts';
import type {
  InferTensorContents,
  ModelInferRequest,
  ModelInferResponseSchema,
} from './generated/open_inference_pb.js';

type ContentsField = Extract<keyof InferTensorContents, `${string}Contents`>;

/** Where typed contents keep the values of each element type; float16 has raw contents only. */
const contentsFields = {
  bool: 'boolContents',
  uint8: 'uintContents',
  uint16: 'uintContents',
  uint32: 'uintContents',
  uint64: 'uint64Contents',
  int8: 'intContents',
  int16: 'intContents',
  int32: 'intContents',
  int64: 'int64Contents',
  float16: undefined,
  float32: 'fp32Contents',
  float64: 'fp64Contents',
  string: 'bytesContents',
} as const satisfies Record<DataType, ContentsField | undefined>;

/** @throws ServingError SERVING_BAD_INPUT naming the input */
export function tensorsFromRequest({ inputs, rawInputContents }: ModelInferRequest): TensorValue[] {
  if (rawInputContents.length > 0 && rawInputContents.length !== inputs.length) {
    throw new ServingError(
      'SERVING_BAD_INPUT',
      `raw_input_contents has ${rawInputContents.length} tensors, inputs has ${inputs.length}: all or none are raw`,
    );
  }
  return inputs.map((input, index) => tensorOf(input, rawInputContents[index]));
}

function tensorOf(input: ModelInferRequest['inputs'][number], raw: Uint8Array | undefined): TensorValue {
  const { name, datatype, contents } = input;
  const bad = (message: string) => new ServingError('SERVING_BAD_INPUT', `Input '${name}': ${message}`);
  const dtype = fromOpenInference(datatype);
  if (!dtype) throw bad(`datatype '${datatype}' is none of ${Object.values(openInferenceNames).join(', ')}`);
  const shape = input.shape.map(Number);
  if (shape.some((size) => size < 0)) throw bad('shape must be a list of sizes');
  const count = countOf(shape);
  const tensor = (read: () => TensorValue['data']): TensorValue => {
    try {
      return { name, dtype, shape, data: read() };
    } catch (error) {
      if (error instanceof WireFault) throw bad(error.message);
      throw error;
    }
  };
  if (raw) return tensor(() => dataFromRaw(dtype, count, raw, 'raw_input_contents'));
  const field = contentsFields[dtype];
  if (!field) throw bad(`${datatype} has no typed contents: send raw_input_contents`);
  const values: readonly unknown[] = contents?.[field] ?? [];
  if (values.length !== count)
    throw bad(`shape [${shape}] holds ${count} values, ${field} has ${values.length}`);
  return tensor(() => dataFromValues(dtype, count, values, field));
}

/** Outputs as the request's inputs came: raw, or typed where every type has a typed form. */
export function contentsOf(
  outputs: readonly TensorValue[],
  isRaw: boolean,
): Pick<MessageInitShape<typeof ModelInferResponseSchema>, 'outputs' | 'rawOutputContents'> {
  const heads = outputs.map(({ name, dtype, shape }) => ({
    name,
    datatype: openInferenceNames[dtype],
    shape: shape.map(BigInt),
  }));
  if (isRaw || outputs.some(({ dtype }) => dtype === 'float16')) {
    return { outputs: heads, rawOutputContents: outputs.map(rawFromTensor) };
  }
  return {
    outputs: outputs.map(({ dtype, data }, index) => ({
      ...heads[index],
      contents: {
        [contentsFields[dtype] as ContentsField]:
          dtype === 'string'
            ? (data as StringData).map(bytesOfString)
            : dtype === 'bool'
              ? Array.from(data as Uint8Array, Boolean)
              : Array.from(data as Float32Array),
      },
    })),
  };
}
