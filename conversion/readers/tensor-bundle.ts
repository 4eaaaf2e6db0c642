import { open, readFile } from 'node:fs/promises';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Numbers } from './hdf5-file.ts';

/** Where a tensor of a checkpoint lies. */
interface Entry {
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
}

/** TensorFlow's DataType. */
const dtFloat = 1;
const dtString = 7;
const tableMagic = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];

/** The fields of a protobuf message: varints as numbers, everything else as bytes. */
export function fieldsOf(bytes: Uint8Array): Map<number, (number | Uint8Array)[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (number | Uint8Array)[]>();
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    let value: number | Uint8Array;
    if (wire === 0) value = Number(reader.int64());
    else if (wire === 2) value = reader.bytes();
    else value = wire === 5 ? reader.fixed32() : Number(reader.fixed64());
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const numberOf = (fields: Map<number, (number | Uint8Array)[]>, id: number) =>
  Number(fields.get(id)?.[0] ?? 0);
const bytesOf = (fields: Map<number, (number | Uint8Array)[]>, id: number) =>
  (fields.get(id) ?? []).filter((value) => typeof value !== 'number');
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** Keys and values of one block of a LevelDB table; keys share prefixes with their predecessors. */
function blockEntries(table: Uint8Array, offset: number, size: number): [string, Uint8Array][] {
  if (table[offset + size] !== 0) throw new Error('the index of the variables is compressed');
  const block = table.subarray(offset, offset + size);
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const end = block.length - 4 - 4 * view.getUint32(block.length - 4, true);
  const entries: [string, Uint8Array][] = [];
  const reader = new BinaryReader(block);
  let key = new Uint8Array(0);
  while (reader.pos < end) {
    const [shared, unshared, length] = [reader.uint32(), reader.uint32(), reader.uint32()];
    const start = reader.pos;
    if (start + unshared + length > end) throw new Error('the index of the variables is cut short');
    key = Uint8Array.from([...key.subarray(0, shared), ...block.subarray(start, start + unshared)]);
    entries.push([text(key), block.subarray(start + unshared, start + unshared + length)]);
    reader.pos = start + unshared + length;
  }
  return entries;
}

function handle(bytes: Uint8Array): [number, number] {
  const reader = new BinaryReader(bytes);
  return [Number(reader.uint64()), Number(reader.uint64())];
}

function entryOf(bytes: Uint8Array): Entry {
  const fields = fieldsOf(bytes);
  const [shape] = bytesOf(fields, 2);
  const dims =
    shape === undefined ? [] : bytesOf(fieldsOf(shape), 2).map((dim) => numberOf(fieldsOf(dim), 1));
  return {
    dtype: numberOf(fields, 1),
    shape: dims,
    shard: numberOf(fields, 3),
    offset: numberOf(fields, 4),
    size: numberOf(fields, 5),
  };
}

/** A node of a checkpoint's object graph: its children by attribute, and the key of its value where it is a variable. */
interface GraphNode {
  readonly children: ReadonlyMap<string, number>;
  readonly key: string | undefined;
}

/**
 * The variables of a TensorFlow checkpoint (`variables.index` and its data files), found by the attributes that lead to them.
 * @see https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/tensor_bundle/tensor_bundle.h
 */
export class TensorBundle {
  readonly #prefix: string;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #shards: number;
  #graph: readonly GraphNode[] = [];

  private constructor(prefix: string, entries: ReadonlyMap<string, Entry>, shards: number) {
    this.#prefix = prefix;
    this.#entries = entries;
    this.#shards = shards;
  }

  /** @param prefix path without `.index`. @throws Error where the files are damaged */
  static async open(prefix: string): Promise<TensorBundle> {
    const table = new Uint8Array(await readFile(`${prefix}.index`));
    if (!tableMagic.every((byte, i) => table.at(i - 8) === byte))
      throw new Error('variables.index has another form');
    const footer = new BinaryReader(table.subarray(-48));
    footer.uint64();
    footer.uint64();
    const [offset, size] = [Number(footer.uint64()), Number(footer.uint64())];
    const raw = blockEntries(table, offset, size).flatMap(([, value]) =>
      blockEntries(table, ...handle(value)),
    );
    const header = fieldsOf(raw.find(([key]) => key === '')?.[1] ?? new Uint8Array(0));
    const entries = new Map(raw.filter(([key]) => key !== '').map(([key, value]) => [key, entryOf(value)]));
    const bundle = new TensorBundle(prefix, entries, numberOf(header, 1));
    bundle.#graph = await bundle.#readGraph();
    return bundle;
  }

  async #bytes(entry: Entry): Promise<Buffer> {
    const shards = String(this.#shards).padStart(5, '0');
    const name = `${this.#prefix}.data-${String(entry.shard).padStart(5, '0')}-of-${shards}`;
    const file = await open(name, 'r');
    try {
      const { size } = await file.stat();
      if (entry.offset + entry.size > size) throw new Error('a variable lies beyond the end of its file');
      const buffer = Buffer.alloc(entry.size);
      await file.read(buffer, 0, entry.size, entry.offset);
      return buffer;
    } finally {
      await file.close();
    }
  }

  async #readGraph(): Promise<GraphNode[]> {
    const entry = this.#entries.get('_CHECKPOINTABLE_OBJECT_GRAPH');
    if (entry === undefined || entry.dtype !== dtString)
      throw new Error('the checkpoint has no object graph');
    const bytes = await this.#bytes(entry);
    const reader = new BinaryReader(bytes);
    const length = reader.uint32();
    // The length, its checksum, the text.
    const graph = bytes.subarray(reader.pos + 4, reader.pos + 4 + length);
    return bytesOf(fieldsOf(graph), 1).map((node) => {
      const fields = fieldsOf(node);
      const children = bytesOf(fields, 1).map((child) => {
        const reference = fieldsOf(child);
        return [text(bytesOf(reference, 2)[0]), numberOf(reference, 1)] as const;
      });
      const [attribute] = bytesOf(fields, 2);
      const key = attribute === undefined ? undefined : text(bytesOf(fieldsOf(attribute), 3)[0]);
      return { children: new Map(children), key };
    });
  }

  /** Follows attributes from the root. @returns undefined where one is missing, or no variable is there */
  async variable(path: readonly string[]): Promise<Numbers | undefined> {
    let node = this.#graph[0];
    for (const name of path) {
      const next = node?.children.get(name);
      node = next === undefined ? undefined : this.#graph[next];
    }
    const entry = this.#entries.get(node?.key ?? '');
    if (entry === undefined) return undefined;
    if (entry.dtype !== dtFloat) return this.#integers(entry);
    const bytes = await this.#bytes(entry);
    return { shape: entry.shape, data: new Float32Array(Uint8Array.from(bytes).buffer), isByte: false };
  }

  /** Counters only: their values matter nowhere. */
  #integers(entry: Entry): Numbers | undefined {
    const count = entry.shape.reduce((product, dim) => product * dim, 1);
    return count === 1 ? { shape: entry.shape, data: new Float32Array(1), isByte: false } : undefined;
  }
}
