import { zipSync } from 'fflate';

const types = { Float32Array: '<f4', Uint8Array: '|u1', Int32Array: '<i4' } as const;

/** One array in NumPy's .npy format 1.0. @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
function npy(data: Float32Array | Uint8Array | Int32Array, shape: readonly number[]): Uint8Array {
  const descr = types[data.constructor.name as keyof typeof types];
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`;
  // The data begin at a multiple of 64.
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const head = new Uint8Array([
    0x93,
    ...new TextEncoder().encode('NUMPY'),
    1,
    0,
    padded.length & 255,
    padded.length >> 8,
  ]);
  const body = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Uint8Array.from([...head, ...new TextEncoder().encode(padded), ...body]);
}

/** A training set as `.npz`: x [rows, rowSize] float32, y [rows] int32. */
export function encodeNpz(x: Float32Array, y: Int32Array): Uint8Array {
  const rowSize = y.length === 0 ? 0 : x.length / y.length;
  return zipSync({ 'x.npy': npy(x, [y.length, rowSize]), 'y.npy': npy(y, [y.length]) });
}
