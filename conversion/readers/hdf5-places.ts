import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ConversionError, unreadable } from '../errors.ts';
import { unset } from '../large-files.ts';
import type { Hdf5Source } from './hdf5-file.ts';

/** Not what this reader knows, or damaged: the library is to look, and to say what it is. */
export class Unfamiliar extends Error {}

export const unfamiliar = (what: string) => new Unfamiliar(what);

const pageBytes = 2 ** 16;
/** Kept at a time: structures that are read together lie together. */
const mostPages = 256;
const nowhere = 2n ** 64n - 1n;

function readFrom(file: number, offset: number, into: Uint8Array): void {
  for (let at = 0; at < into.length; ) {
    const read = readSync(file, into, at, Math.min(into.length - at, 2 ** 30), offset + at);
    if (read === 0) throw unfamiliar('the file was cut while it was read');
    at += read;
  }
}

/** What tells that a file is still what it was. */
const stateOf = (file: number) => {
  const { ino, size, mtimeMs } = fstatSync(file);
  return `${ino} ${size} ${mtimeMs}`;
};

/** Reads a file that was closed meanwhile. @throws ConversionError where it is gone or has changed */
function readAgain(path: string, state: string, offset: number, into: Uint8Array): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error as Error);
  }
  try {
    if (stateOf(file) !== state)
      throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${path} was changed while it was converted`);
    readFrom(file, offset, into);
  } finally {
    closeSync(file);
  }
}

/** A file, or one in memory, by its places. Nothing outside of it is read. */
export class Places {
  readonly sizeBytes: number;
  readonly #read: (offset: number, into: Uint8Array) => void;
  readonly #readAgain: (offset: number, into: Uint8Array) => void;
  readonly #pages = new Map<number, Uint8Array>();
  readonly close: () => void;

  constructor(source: Hdf5Source) {
    if (typeof source !== 'string') {
      this.sizeBytes = source.length;
      this.#read = (offset, into) => into.set(source.subarray(offset, offset + into.length));
      this.#readAgain = this.#read;
      this.close = () => {};
      return;
    }
    const file = openSync(source, 'r');
    this.close = () => closeSync(file);
    this.sizeBytes = fstatSync(file).size;
    this.#read = (offset, into) => readFrom(file, offset, into);
    const state = stateOf(file);
    this.#readAgain = (offset, into) => readAgain(source, state, offset, into);
  }

  #within(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.sizeBytes))
      throw unfamiliar(`${length} bytes at ${offset} lie outside of the file`);
  }

  /** Bytes of one's own. */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.#within(offset, length);
    const bytes = unset(length);
    this.#read(offset, bytes);
    return bytes;
  }

  /** The same, read each time that it is asked for, after the file was closed too. */
  later(offset: number, length: number): () => Uint8Array<ArrayBuffer> {
    this.#within(offset, length);
    // Not this: who keeps the answer would keep the pages.
    const read = this.#readAgain;
    return () => {
      const bytes = unset(length);
      read(offset, bytes);
      return bytes;
    };
  }

  /** A look at structures: many small ones lie beside each other. */
  view(offset: number, length: number): DataView {
    const page = Math.floor(offset / pageBytes);
    const start = page * pageBytes;
    if (!(offset >= 0) || offset + length > start + pageBytes) return viewOf(this.bytes(offset, length));
    const found = this.#pages.get(page) ?? this.#load(page);
    if (offset - start + length > found.length)
      throw unfamiliar(`${length} bytes at ${offset} lie outside of the file`);
    return new DataView(found.buffer, offset - start, length);
  }

  #load(page: number): Uint8Array {
    const start = page * pageBytes;
    const bytes = this.bytes(start, Math.max(0, Math.min(pageBytes, this.sizeBytes - start)));
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size < mostPages) break;
      this.#pages.delete(oldest);
    }
    this.#pages.set(page, bytes);
    return bytes;
  }

  signed(offset: number, length: number, signature: string): DataView {
    const view = this.view(offset, length);
    if (textOf(view, 0, 4) !== signature) throw unfamiliar(`there is no ${signature} at ${offset}`);
    return view;
  }
}

export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
export const bytesOf = (view: DataView, start: number, end: number) => {
  if (!(start >= 0 && start <= end && end <= view.byteLength)) throw unfamiliar('a field ends outside');
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start);
};
const decoder = new TextDecoder();
/** Up to its first zero. */
export function textOf(view: DataView, start: number, end: number): string {
  const bytes = bytesOf(view, start, end);
  const zero = bytes.indexOf(0);
  return decoder.decode(zero < 0 ? bytes : bytes.subarray(0, zero));
}

/** An address or a length; -1 where there is none. */
export function place(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  return value === nowhere ? -1 : Number(value);
}

export const padded = (length: number) => Math.ceil(length / 8) * 8;
