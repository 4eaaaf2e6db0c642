import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { numpyReaders } from './arrays.ts';
import { type ArrayRows, BadInput, bytesAtOnce, type InputShape, rowsAtOnce, type Source } from './record.ts';

/** One file of a zip archive, where its data lie. */
interface Entry {
  readonly name: string;
  readonly start: number;
  readonly packedBytes: number;
  readonly isPacked: boolean;
  /** Of what it holds, unpacked. */
  readonly crc: number;
}

const endMark = 0x06054b50;
const end64Mark = 0x06064b50;
const wide = 0xffffffff;

async function bytesAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  if (bytesRead < length) throw new BadInput('it is cut short');
  return bytes;
}

/** Where the directory is, and how long. @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT */
async function directoryOf(file: FileHandle, size: number): Promise<Buffer> {
  const tail = await bytesAt(file, Math.max(0, size - 65_557), Math.min(size, 65_557));
  const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0 || tail.readUInt32LE(end) !== endMark)
    throw new BadInput('it is no .npz archive, or is cut short');
  const [length, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  const end64 = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 6, 6]), end);
  if (end64 >= 0 && tail.readUInt32LE(end64) === end64Mark && (start === wide || length === wide)) {
    return bytesAt(file, Number(tail.readBigUInt64LE(end64 + 48)), Number(tail.readBigUInt64LE(end64 + 40)));
  }
  return bytesAt(file, start, length);
}

/** The sizes that do not fit 32 bits, in their order. */
function wideValues(extra: Buffer): bigint[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    const values = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    return Array.from({ length: values.length >> 3 }, (_, index) => values.readBigUInt64LE(index * 8));
  }
  return [];
}

async function entriesOf(path: string): Promise<Entry[]> {
  const file = await open(path);
  try {
    const directory = await directoryOf(file, (await stat(path)).size);
    const entries: Entry[] = [];
    for (let at = 0; at + 46 <= directory.length; ) {
      const method = directory.readUInt16LE(at + 10);
      const nameLength = directory.readUInt16LE(at + 28);
      const extraLength = directory.readUInt16LE(at + 30);
      const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
      const wides = wideValues(extra);
      const value = (offset: number) => {
        const short = directory.readUInt32LE(at + offset);
        return short === wide ? Number(wides.shift() ?? 0n) : short;
      };
      // In this order: so they lie in the extra field.
      value(24);
      const packedBytes = value(20);
      const header = value(42);
      const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
      const local = await bytesAt(file, header, 30);
      const start = header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
      if (method !== 0 && method !== 8)
        throw new BadInput(`${name} is packed in a way that NumPy does not use`);
      const crc = directory.readUInt32LE(at + 16);
      entries.push({ name: name.replace(/\.npy$/, ''), start, packedBytes, isPacked: method === 8, crc });
      at += 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
    }
    return entries;
  } finally {
    await file.close();
  }
}

/** What an entry holds, which at its end must be what its checksum says. @throws BadInput */
async function* contentOf(path: string, entry: Entry): AsyncGenerator<Buffer> {
  const { name, start, packedBytes, isPacked, crc } = entry;
  const raw = createReadStream(path, { start, end: start + packedBytes - 1 });
  const content: Readable = isPacked ? raw.pipe(createInflateRaw()) : raw;
  let sum = 0;
  for await (const block of content as AsyncIterable<Buffer>) {
    sum = crc32(block, sum);
    yield block;
  }
  if (sum !== crc) throw new BadInput(`${name} is damaged: its checksum does not fit`);
}

/** Reads blocks in pieces of any size. */
class Pieces {
  readonly #blocks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(blocks: AsyncIterable<Buffer>) {
    this.#blocks = blocks[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < length) {
      const { value, done } = await this.#blocks.next();
      if (done) throw new BadInput('an array is cut short');
      parts.push(value);
      have += value.length;
    }
    const bytes = parts.length === 1 ? this.#rest : Buffer.concat(parts, have);
    this.#rest = bytes.subarray(length);
    return bytes.subarray(0, length);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; left -= 1 << 20) await this.take(Math.min(left, 1 << 20));
  }

  /** Reads what is left, so that all of it is checked. */
  async end(): Promise<void> {
    while (!(await this.#blocks.next()).done);
  }
}

interface OpenArray {
  readonly pieces: Pieces;
  readonly code: string;
  readonly shape: readonly number[];
  readonly rowBytes: number;
}

async function openArray(path: string, entry: Entry): Promise<OpenArray> {
  const { name } = entry;
  const pieces = new Pieces(contentOf(path, entry));
  const head = await pieces.take(10);
  const isWide = (head[6] as number) >= 2;
  const length = isWide
    ? Buffer.concat([head.subarray(8), await pieces.take(2)]).readUInt32LE(0)
    : head.readUInt16LE(8);
  if (head.toString('latin1', 1, 6) !== 'NUMPY' || length > 65_536) throw new BadInput(`${name} is no array`);
  const text = (await pieces.take(length)).toString('latin1');
  const code = /'descr':\s*'[<|=]?([a-z]\d)'/.exec(text)?.[1];
  const shapeText = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1];
  if (code === undefined || shapeText === undefined || /'fortran_order':\s*True/.test(text)) {
    throw new BadInput(`${name} is an array of a kind that is not read: ${text.trim()}`);
  }
  const shape = shapeText.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  const rowBytes = shape.slice(1).reduce((product, size) => product * size, 1) * Number(code[1]);
  return { pieces, code, shape, rowBytes };
}

/** The array of an input: by its name, or where there is one input `x`, `x_test`, or the only one that there is. */
function entryFor(entries: readonly Entry[], { name }: InputShape, isOnly: boolean): Entry {
  const named = (wanted: string) => entries.find((entry) => entry.name === wanted);
  const only = entries.length === 1 ? entries[0] : undefined;
  const found = named(name) ?? (isOnly ? (named('x') ?? named('x_test') ?? only) : undefined);
  if (found !== undefined) return found;
  const known = entries.map((entry) => entry.name).join(', ');
  throw new BadInput(`there is no array '${name}'${isOnly ? " or 'x'" : ''}; it has ${known}`);
}

async function scaleOf(path: string, entries: readonly Entry[]): Promise<number> {
  const entry = entries.find(({ name }) => name === 'scale');
  if (entry === undefined) return 1;
  const { pieces, code } = await openArray(path, entry);
  const read = numpyReaders[code];
  if (read === undefined) throw new BadInput(`scale is a ${code}, which is no number`);
  const bytes = await pieces.take(Number(code[1]));
  await pieces.end();
  return Number(read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0));
}

/**
 * `.npz`: an array for each input, a row for each along the first axis; a scalar `scale` multiplies them, as in labelled sets.
 * Packed archives are unpacked as they are read. @throws BadInput
 */
export async function openNpz(path: string, inputs: readonly InputShape[]): Promise<Source> {
  const entries = await entriesOf(path);
  const chosen = inputs.map((input) => entryFor(entries, input, inputs.length === 1));
  const scale = await scaleOf(path, entries);
  return {
    format: 'npz',
    sizeBytes: chosen.reduce((sum, { packedBytes }) => sum + packedBytes, 0),
    async *read(skip) {
      const arrays = await Promise.all(chosen.map((entry) => openArray(path, entry)));
      const total = arrays[0]?.shape[0] ?? 0;
      if (arrays.some(({ shape }) => shape[0] !== total))
        throw new BadInput('the arrays have different numbers of rows');
      for (const { pieces, rowBytes } of arrays) await pieces.skip(skip * rowBytes);
      const packed = chosen.reduce((sum, { packedBytes }) => sum + packedBytes, 0);
      const wholeRowBytes = arrays.reduce((sum, { rowBytes }) => sum + rowBytes, 0);
      const most = Math.max(1, Math.min(rowsAtOnce, Math.floor(bytesAtOnce / wholeRowBytes)));
      for (let row = skip; row < total; row += most) {
        const rows = Math.min(most, total - row);
        const parts: ArrayRows[] = [];
        for (const [index, { pieces, code, shape, rowBytes }] of arrays.entries()) {
          parts.push({
            name: (inputs[index] as InputShape).name,
            code,
            rowShape: shape.slice(1),
            bytes: new Uint8Array(await pieces.take(rows * rowBytes)),
            scale,
          });
        }
        yield { rows: { kind: 'arrays', rows, arrays: parts }, bytesRead: (packed * (row + rows)) / total };
      }
      for (const { pieces } of arrays) await pieces.end();
    },
  };
}
