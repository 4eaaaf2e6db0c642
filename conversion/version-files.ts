import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { collect } from './collect.ts';
import { ConversionError } from './errors.ts';
import { allocate } from './large-files.ts';

/** What is in memory at once of a file that lies on the disk. */
const chunkBytes = 2 ** 20;
/** Node's own calls refuse 2 GiB at once. */
const mostReadBytes = 2 ** 30;

/** A stretch of a file of a version: its bytes, or where they lie on the disk. */
export type Stretch = Uint8Array | { readonly offset: number; readonly length: number };

const descriptors = new FinalizationRegistry<number>((descriptor) => closeSync(descriptor));

/**
 * A file of a version whose weights lie on the disk, in a file that may be removed meanwhile: its room is free when nobody holds this
 * any more.
 */
export class StoredFile {
  /** In bytes. */
  readonly length: number;
  readonly #path: string;
  readonly #stretches: readonly Stretch[];
  readonly #descriptor: number;

  /** @param stretches of what is in `path`, and of what is in none, in order */
  constructor(path: string, stretches: readonly Stretch[]) {
    this.length = stretches.reduce((sum, { length }) => sum + length, 0);
    this.#path = path;
    this.#stretches = stretches;
    this.#descriptor = openSync(path, 'r');
    descriptors.register(this, this.#descriptor);
  }

  /**
   * The bytes in order, each time from the start; a chunk holds until the next one.
   * @throws ConversionError CONVERSION_NOT_WRITABLE where the file was cut, CONVERSION_OUT_OF_MEMORY
   */
  *chunks(mostBytes = chunkBytes): Generator<Uint8Array> {
    const chunk = allocate(Math.min(mostBytes, this.length), this.#path);
    let filled = 0;
    for (const stretch of this.#stretches) {
      for (let at = 0; at < stretch.length; ) {
        const most = Math.min(stretch.length - at, chunk.length - filled, mostReadBytes);
        const copied = this.#copy(stretch, at, chunk.subarray(filled, filled + most));
        at += copied;
        filled += copied;
        if (filled < chunk.length) continue;
        yield chunk;
        filled = 0;
      }
    }
    if (filled > 0) yield chunk.subarray(0, filled);
  }

  /** All of it at once. @throws ConversionError as `chunks` does */
  bytes(): Uint8Array {
    collect(this.length);
    const [whole = new Uint8Array()] = this.chunks(this.length);
    return whole;
  }

  /** @returns how many bytes of the stretch it had from `at` on, at most as many as there is room for */
  #copy(stretch: Stretch, at: number, into: Uint8Array): number {
    if (!('offset' in stretch)) {
      into.set(stretch.subarray(at, at + into.length));
      return into.length;
    }
    const read = readSync(this.#descriptor, into, 0, into.length, stretch.offset + at);
    if (read > 0) return read;
    throw new ConversionError('CONVERSION_NOT_WRITABLE', `${this.#path} was cut while it was in use`);
  }
}

export type VersionFile = Uint8Array | StoredFile;

/** The files of a version, by name. */
export type VersionFiles = ReadonlyMap<string, VersionFile>;

/** A file of a version, whole in memory. @throws ConversionError as StoredFile does */
export const bytesOf = (file: VersionFile): Uint8Array => (file instanceof StoredFile ? file.bytes() : file);

/** The same of all files. */
export const inMemory = (files: VersionFiles): ReadonlyMap<string, Uint8Array> =>
  new Map([...files].map(([name, file]) => [name, bytesOf(file)]));

/** A file of a version in chunks, each of which holds until the next one. @throws ConversionError as StoredFile does */
export function* chunksOf(file: VersionFile): Generator<Uint8Array> {
  if (file instanceof StoredFile) return yield* file.chunks();
  for (let at = 0; at < file.length; at += chunkBytes) yield file.subarray(at, at + chunkBytes);
}

/** sha256 in lower-case hex. @throws ConversionError as StoredFile does */
export function sha256Of(file: VersionFile): string {
  const hash = createHash('sha256');
  for (const chunk of chunksOf(file)) hash.update(chunk);
  return hash.digest('hex');
}
