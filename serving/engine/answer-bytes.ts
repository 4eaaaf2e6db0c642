import { dataFromRaw, rawFromTensor } from '../wire/raw.ts';
import { countOf, type TensorValue } from './tensor.ts';

interface Head {
  readonly name: string;
  readonly dtype: TensorValue['dtype'];
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Tensors as bytes: the length of a JSON list of their heads, the list, then their elements one after the other. */
export function bytesOfTensors(tensors: readonly TensorValue[]): Uint8Array {
  const raws = tensors.map(rawFromTensor);
  const heads = tensors.map(
    ({ name, dtype, shape }, index): Head => ({
      name,
      dtype,
      shape,
      bytes: (raws[index] as Uint8Array).length,
    }),
  );
  const json = Buffer.from(JSON.stringify(heads));
  const parts = [json, ...raws];
  // Not of Node's pool: a few bytes that are kept would keep all of its 8 KiB.
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 4));
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  let at = 4;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** @throws Error where the bytes are not of `bytesOfTensors` */
export function tensorsOfBytes(bytes: Uint8Array): TensorValue[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 4 + buffer.readUInt32LE(0);
  const heads = JSON.parse(buffer.toString('utf8', 4, at)) as Head[];
  return heads.map(({ name, dtype, shape, bytes: size }) => {
    const data = dataFromRaw(dtype, countOf(shape), buffer.subarray(at, at + size), name);
    at += size;
    return { name, dtype, shape, data };
  });
}
