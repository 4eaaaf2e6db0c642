import type { Numbers } from './hdf5-file.ts';

/** HDF5's classes of element types. */
export const integerClass = 0;
export const floatClass = 1;
const opaqueClass = 5;

/** How the elements of a dataset are stored. */
export interface ElementType {
  /** HDF5's class. */
  readonly type: number;
  /** In bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly littleEndian: boolean;
}

/** IEEE half precision. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const bfloatView = new DataView(new ArrayBuffer(4));
/** bfloat16: the upper half of a float32. */
function bfloat(bits: number): number {
  bfloatView.setUint16(0, bits);
  return bfloatView.getFloat32(0);
}

type Read = (view: DataView, at: number) => number;

/** By class and size; HDF5 knows no bfloat16, Keras writes it as two opaque bytes. */
const elements: Record<string, { signed: Read; unsigned: Read }> = {
  [`${floatClass}:2`]: both((v, at) => half(v.getUint16(at, true))),
  [`${floatClass}:4`]: both((v, at) => v.getFloat32(at, true)),
  [`${floatClass}:8`]: both((v, at) => v.getFloat64(at, true)),
  [`${opaqueClass}:2`]: both((v, at) => bfloat(v.getUint16(at, true))),
  [`${integerClass}:1`]: { signed: (v, at) => v.getInt8(at), unsigned: (v, at) => v.getUint8(at) },
  [`${integerClass}:2`]: {
    signed: (v, at) => v.getInt16(at, true),
    unsigned: (v, at) => v.getUint16(at, true),
  },
  [`${integerClass}:4`]: {
    signed: (v, at) => v.getInt32(at, true),
    unsigned: (v, at) => v.getUint32(at, true),
  },
  [`${integerClass}:8`]: {
    signed: (v, at) => Number(v.getBigInt64(at, true)),
    unsigned: (v, at) => Number(v.getBigUint64(at, true)),
  },
};

function both(read: Read) {
  return { signed: read, unsigned: read };
}

/** Reads one element; undefined for types that are no numbers, and for those of the other byte order. */
export function elementReader({ type, size, signed, littleEndian }: ElementType): Read | undefined {
  const element = elements[`${type}:${size}`];
  const isOrdered = littleEndian || size === 1 || type === opaqueClass;
  return isOrdered ? element?.[signed ? 'signed' : 'unsigned'] : undefined;
}

/** @param bytes of their own, from the start of their buffer */
export function numbersOf(
  shape: readonly number[],
  { type, size }: ElementType,
  read: Read,
  bytes: Uint8Array<ArrayBuffer>,
): Numbers {
  if (type === floatClass && size === 4)
    return { shape, data: new Float32Array(bytes.buffer), isByte: false };
  const view = new DataView(bytes.buffer);
  const data = Float32Array.from({ length: bytes.length / size }, (_, i) => read(view, i * size));
  return { shape, data, isByte: size === 1 };
}

/** The same of bytes that are read each time that the numbers are asked for. */
export const numbersLater = (
  shape: readonly number[],
  type: ElementType,
  read: Read,
  bytes: () => Uint8Array<ArrayBuffer>,
): Numbers => ({
  shape,
  get data() {
    return numbersOf(shape, type, read, bytes()).data;
  },
  isByte: type.size === 1,
});
