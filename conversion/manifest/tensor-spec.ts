import * as z from 'zod';

/** Element types a signature may name; the Open Inference Protocol's 13 datatypes under their ONNX/NumPy names. */
export const dataTypes = [
  'bool',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'float32',
  'float64',
  'string',
] as const;
export type DataType = (typeof dataTypes)[number];

/** One named tensor. `shape[i] === -1` is a size that a request chooses; the first -1 of an input is the batch. */
export const TensorSpec = z.strictObject({
  name: z.string().min(1),
  dtype: z.enum(dataTypes),
  shape: z.array(z.int().min(-1)),
});
export type TensorSpec = z.infer<typeof TensorSpec>;

/** What a servable takes and gives, in order: TensorFlow Serving's signature, the Open Inference Protocol's metadata. */
export const Signature = z.strictObject({
  inputs: z.array(TensorSpec).min(1),
  outputs: z.array(TensorSpec).min(1),
});
export type Signature = z.infer<typeof Signature>;
