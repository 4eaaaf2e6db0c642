import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DataType as ElementType } from '../../../conversion/manifest/index.ts';
import { countOf, type TensorData, type TensorValue } from '../../engine/tensor.ts';
import { ServingError } from '../../errors.ts';
import { WireFault } from '../../wire/faults.ts';
import { bytesOfString, dataFromRaw } from '../../wire/raw.ts';
import type { StringData } from '../../wire/tensor.ts';
import { tensorflowNames } from '../../wire/tensorflow.ts';
import { dataFromValues } from '../../wire/values.ts';
import { DataType, type TensorProto, type TensorProtoSchema } from './generated/tensorflow_serving_pb.js';

type ValueField = Extract<keyof TensorProto, `${string}Val`>;

/** Where a TensorProto keeps the values of each element type, one by one. */
const valueFields = {
  bool: 'boolVal',
  uint8: 'intVal',
  uint16: 'intVal',
  uint32: 'uint32Val',
  uint64: 'uint64Val',
  int8: 'intVal',
  int16: 'intVal',
  int32: 'intVal',
  int64: 'int64Val',
  float16: 'halfVal',
  float32: 'floatVal',
  float64: 'doubleVal',
  string: 'stringVal',
} as const satisfies Record<ElementType, ValueField>;

const typesByNumber = new Map(
  Object.entries(tensorflowNames).map(([dtype, name]) => [numberOf(name), dtype as ElementType]),
);

function numberOf(name: string): DataType {
  return DataType[name as keyof typeof DataType];
}

/** The number of an element type in TensorFlow's messages. */
export function dataTypeOf(dtype: ElementType): DataType {
  return numberOf(tensorflowNames[dtype]);
}

/** The inputs of one request. @throws ServingError SERVING_BAD_INPUT naming the input */
export function tensorsFromProtos(protos: Readonly<Record<string, TensorProto>>): TensorValue[] {
  const repeats = { left: maxRepeated };
  return Object.entries(protos).map(([name, proto]) => tensorFromProto(name, proto, repeats));
}

function tensorFromProto(name: string, proto: TensorProto, repeats: { left: number }): TensorValue {
  const bad = (message: string) => new ServingError('SERVING_BAD_INPUT', `Input '${name}': ${message}`);
  const dtype = typesByNumber.get(proto.dtype);
  if (!dtype) throw bad(`dtype ${DataType[proto.dtype] ?? proto.dtype} is not supported`);
  const shape = (proto.tensorShape?.dim ?? []).map(({ size }) => Number(size));
  const count = countOf(shape);
  if (proto.tensorShape?.unknownRank || shape.some((size) => size < 0))
    throw bad('tensor_shape must be known');
  const tensor = (read: () => TensorData): TensorValue => {
    try {
      return { name, dtype, shape, data: read() };
    } catch (error) {
      if (error instanceof WireFault) throw bad(error.message);
      throw error;
    }
  };
  if (proto.tensorContent.length > 0 && dtype !== 'string')
    return tensor(() => dataFromRaw(dtype, count, proto.tensorContent, 'tensor_content'));
  const values: readonly unknown[] = proto[valueFields[dtype]];
  // One value stands for all that follow it, none for zeros; that must not make memory out of a few bytes.
  if (values.length > count) throw bad(`shape [${shape}] holds ${count} values, ${values.length} came`);
  if (values.length < count) repeats.left -= count;
  if (repeats.left < 0) throw bad(`${values.length} values came for shape [${shape}]`);
  return tensor(() => dataFromValues(dtype, count, values, valueFields[dtype]));
}

/** Most elements that a client may have repeated for it in one request. */
const maxRepeated = 1 << 16;

/** Values one by one, as TensorFlow Serving gives them: clients read `float_val`. */
export function protoFromTensor({
  dtype,
  shape,
  data,
}: TensorValue): MessageInitShape<typeof TensorProtoSchema> {
  return {
    dtype: dataTypeOf(dtype),
    tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) },
    [valueFields[dtype]]: valuesOf(dtype, data),
  };
}

function valuesOf(dtype: ElementType, data: TensorData): unknown[] {
  if (dtype === 'string') return (data as StringData).map(bytesOfString);
  if (dtype === 'bool') return Array.from(data as Uint8Array, Boolean);
  return Array.from(data as Float32Array);
}
