import { type FileHandle, open } from 'node:fs/promises';
import { ConversionError } from './errors.ts';

/** Node's own calls refuse 2 GiB at once. */
const pieceBytes = 2 ** 30;

/** A new array. @throws ConversionError CONVERSION_OUT_OF_MEMORY where this Node has none so long */
export function allocate(sizeBytes: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(sizeBytes);
  } catch {
    throw new ConversionError(
      'CONVERSION_OUT_OF_MEMORY',
      `${what} takes ${sizeBytes} bytes, which Node ${process.version} does not hold in one piece`,
    );
  }
}

/** Memory with anything in it, for whoever writes to all of it: a large array takes a while to set to zeros. */
export const unset = (sizeBytes: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);

/** Reads the start of an open file into memory that is there. @returns how many bytes it had */
async function fill(bytes: Uint8Array, file: FileHandle): Promise<number> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(pieceBytes, bytes.length - at), at);
    // It was cut while it was read.
    if (bytesRead === 0) return at;
    at += bytesRead;
  }
  return bytes.length;
}

/** The bytes of a file of any size. @throws ConversionError CONVERSION_OUT_OF_MEMORY, or what the file system says */
export async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, 'r');
  try {
    const bytes = allocate((await file.stat()).size, path);
    const length = await fill(bytes, file);
    return length < bytes.length ? bytes.slice(0, length) : bytes;
  } finally {
    await file.close();
  }
}

/** Reads a file into memory of its size. @throws Error where it is shorter */
export async function readInto(bytes: Uint8Array, path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    if ((await fill(bytes, file)) < bytes.length) throw new Error(`${path} was cut while it was in use`);
  } finally {
    await file.close();
  }
}

/** A piece of a file. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** Writes a file of pieces, of any size each. */
export async function writePieces(path: string, pieces: readonly Piece[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const { bytes, offset } of pieces) {
      for (let at = 0; at < bytes.length; ) {
        const part = Math.min(pieceBytes, bytes.length - at);
        at += (await file.write(bytes, at, part, offset + at)).bytesWritten;
      }
    }
  } finally {
    await file.close();
  }
}
