import { unzipSync } from 'fflate';

/** One array of a .npz file. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const readers: Record<string, { size: number; read: (view: DataView, offset: number) => number }> = {
  u1: { size: 1, read: (v, o) => v.getUint8(o) },
  b1: { size: 1, read: (v, o) => v.getUint8(o) },
  i1: { size: 1, read: (v, o) => v.getInt8(o) },
  u2: { size: 2, read: (v, o) => v.getUint16(o, true) },
  i2: { size: 2, read: (v, o) => v.getInt16(o, true) },
  u4: { size: 4, read: (v, o) => v.getUint32(o, true) },
  i4: { size: 4, read: (v, o) => v.getInt32(o, true) },
  u8: { size: 8, read: (v, o) => Number(v.getBigUint64(o, true)) },
  i8: { size: 8, read: (v, o) => Number(v.getBigInt64(o, true)) },
  f4: { size: 4, read: (v, o) => v.getFloat32(o, true) },
  f8: { size: 8, read: (v, o) => v.getFloat64(o, true) },
};

/** Uncompressed size that no labelled set needs to go beyond. */
const maxArrayBytes = 2 ** 30;

/**
 * An array in NumPy's .npy format 1.0 to 3.0, little-endian, C order.
 * @throws Error for anything else.
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function parseNpy(bytes: Uint8Array): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || bytes[0] !== 0x93 || new TextDecoder().decode(bytes.subarray(1, 6)) !== 'NUMPY') {
    throw new Error('not an .npy array');
  }
  const wide = (bytes[6] as number) >= 2;
  const start = wide ? 12 : 10;
  const headerLength = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(start, start + headerLength));
  const descr = /'descr':\s*'[<|=]?([a-z]\d)'/.exec(header)?.[1];
  const shapeText = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const reader = readers[descr ?? ''];
  if (reader === undefined || shapeText === undefined) throw new Error(`unsupported array: ${header.trim()}`);
  if (/'fortran_order':\s*True/.test(header))
    throw new Error('Fortran order is not supported; use np.ascontiguousarray');
  const shape = shapeText.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  const count = shape.reduce((product, dim) => product * dim, 1);
  const body = start + headerLength;
  if (!Number.isSafeInteger(count) || bytes.length - body < count * reader.size)
    throw new Error('the array is cut short');
  const data = new Float64Array(count);
  for (let i = 0; i < count; i++) data[i] = reader.read(view, body + i * reader.size);
  return { shape, data };
}

/** The arrays of a .npz file by name. @throws Error where it is damaged or unpacks to more than a gigabyte. */
export function parseNpz(bytes: Uint8Array): Map<string, NpyArray> {
  const files = unzipSync(bytes, {
    filter(file) {
      if (file.originalSize > maxArrayBytes)
        throw new Error(`${file.name} unpacks to ${file.originalSize} bytes`);
      return file.name.endsWith('.npy');
    },
  });
  return new Map(Object.entries(files).map(([name, array]) => [name.slice(0, -4), parseNpy(array)]));
}
