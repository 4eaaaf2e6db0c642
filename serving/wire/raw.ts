import type { DataType } from '../../conversion/manifest/index.ts';
import { arrayTypes } from '../engine/tensor.ts';
import { WireFault } from './faults.ts';
import { allocate, type NumericData, type NumericType, type StringData, type Tensor } from './tensor.ts';

/**
 * A tensor from its elements as they lie in memory, little-endian; what TensorFlow calls `tensor_content` and the Open Inference
 * Protocol raw or binary data. Strings are a 4-byte length and their bytes, one after the other.
 * @param count elements that the shape asks for
 * @throws WireFault WIRE_RAW_SIZE
 */
export function dataFromRaw(dtype: DataType, count: number, bytes: Uint8Array, path: string): Tensor['data'] {
  if (dtype === 'string') return stringsFromRaw(count, bytes, path);
  const size = arrayTypes[dtype as NumericType].BYTES_PER_ELEMENT;
  if (bytes.length !== count * size) {
    throw new WireFault('WIRE_RAW_SIZE', {
      path,
      detail: `${count} elements are ${count * size} bytes, not ${bytes.length}`,
    });
  }
  // Copied: the body may lie at any address, and the elements must not.
  const data = allocate(dtype as NumericType, count);
  bytesOf(data).set(bytes);
  // Any byte but 0 is true; models count on 1.
  if (dtype === 'bool') for (let index = 0; index < count; index++) data[index] = data[index] === 0 ? 0 : 1;
  return data;
}

function stringsFromRaw(count: number, bytes: Uint8Array, path: string): StringData {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const strings: Uint8Array[] = [];
  let at = 0;
  while (at + 4 <= bytes.length) {
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.length) break;
    // Copied, as numbers are: the memory of the body is used again.
    strings.push(Uint8Array.from(bytes.subarray(at + 4, end)));
    at = end;
  }
  if (at === bytes.length && strings.length === count) return strings;
  throw new WireFault('WIRE_RAW_SIZE', {
    path,
    detail: `${count} strings were expected, ${strings.length} and a rest of ${bytes.length - at} bytes came`,
  });
}

/** The elements of a tensor as they lie in memory, without copying them where they are numbers. */
export function rawFromTensor({ dtype, data }: Tensor): Uint8Array {
  if (dtype !== 'string') return bytesOf(data as NumericData);
  const parts: Uint8Array[] = [];
  for (const value of data as StringData) {
    const bytes = bytesOfString(value);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

export function bytesOfString(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}

function bytesOf(data: NumericData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
