import { closeSync, openSync, readSync } from 'node:fs';
import { floatClass } from './hdf5-elements.ts';
import { isPlain } from './hdf5-messages.ts';

/** Bytes of a description of floats: class and version, bits, size, then where their first bit, exponent and fraction are. */
const described = 20;
/** What is looked through at once. */
const windowBytes = 2 ** 22;

/** In every description of floats that fill their bytes: their size, their first bit, how many bits they have. */
const marks = [2, 4, 8].map((size) => {
  const mark = Buffer.alloc(8);
  mark.writeUInt32LE(size);
  mark.writeUInt16LE(8 * size, 6);
  return mark;
});

function isStrangeAt(bytes: Buffer, at: number): boolean {
  if (at < 0 || at + described > bytes.length) return false;
  const [version, type] = [(bytes[at] as number) >> 4, (bytes[at] as number) & 15];
  if (type !== floatClass || version < 1 || version > 5) return false;
  return !isPlain(new DataView(bytes.buffer, bytes.byteOffset + at, described));
}

function hasStrange(bytes: Buffer): boolean {
  return marks.some((mark) => {
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1))
      if (isStrangeAt(bytes, at - 4)) return true;
    return false;
  });
}

/**
 * Whether floats of another form than IEEE 754's are described anywhere in a file, such as bfloat16's: the library reads them by their size, as
 * other numbers, and does not tell. Descriptions lie in one piece and unpacked in every version of HDF5; what looks like one among weights,
 * nine bytes of which have to be right, is taken for one.
 * @see https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */
export function hasStrangeFloats(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(windowBytes);
    for (let start = 0; ; start += windowBytes - described) {
      const count = readSync(file, bytes, 0, windowBytes, start);
      if (hasStrange(bytes.subarray(0, count))) return true;
      if (count < windowBytes) return false;
    }
  } finally {
    closeSync(file);
  }
}
