import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type ElementType, elementReader, numbersOf } from './hdf5-elements.ts';
import type { Group, Hdf5File, Hdf5Source, Numbers } from './hdf5-file.ts';

/*
 * HDF5 as h5py writes it unless it is told otherwise: superblock 0, groups by symbol tables, object headers of version 1, variables in one
 * piece. The library for the rest takes longer to load than a small model to convert.
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */

/** Not what this reader knows, or damaged: the library is to look, and to say what it is. */
export class Unfamiliar extends Error {}

const unfamiliar = (what: string) => new Unfamiliar(what);

const pageBytes = 2 ** 16;
/** More than any model has in one group's tree, of nodes and names together: one that leads round in circles. */
const mostEntries = 2 ** 17;
const nowhere = 2n ** 64n - 1n;

/** A file, or one in memory, by its places. Nothing outside of it is read. */
class Places {
  readonly sizeBytes: number;
  readonly #read: (offset: number, into: Uint8Array) => void;
  readonly #pages = new Map<number, Uint8Array>();
  readonly close: () => void;

  constructor(source: Hdf5Source) {
    if (typeof source !== 'string') {
      this.sizeBytes = source.length;
      this.#read = (offset, into) => into.set(source.subarray(offset, offset + into.length));
      this.close = () => {};
      return;
    }
    const file = openSync(source, 'r');
    this.close = () => closeSync(file);
    this.sizeBytes = fstatSync(file).size;
    this.#read = (offset, into) => {
      for (let at = 0; at < into.length; ) {
        const read = readSync(file, into, at, Math.min(into.length - at, 2 ** 30), offset + at);
        if (read === 0) throw unfamiliar('the file was cut while it was read');
        at += read;
      }
    };
  }

  /** Bytes of one's own. */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.sizeBytes))
      throw unfamiliar(`${length} bytes at ${offset} lie outside of the file`);
    const bytes = new Uint8Array(length);
    this.#read(offset, bytes);
    return bytes;
  }

  /** A look at structures: many small ones lie beside each other. */
  view(offset: number, length: number): DataView {
    const page = Math.floor(offset / pageBytes);
    const start = page * pageBytes;
    if (!(offset >= 0) || offset + length > start + pageBytes) return viewOf(this.bytes(offset, length));
    const found =
      this.#pages.get(page) ?? this.bytes(start, Math.max(0, Math.min(pageBytes, this.sizeBytes - start)));
    this.#pages.set(page, found);
    if (offset - start + length > found.length)
      throw unfamiliar(`${length} bytes at ${offset} lie outside of the file`);
    return new DataView(found.buffer, offset - start, length);
  }

  signed(offset: number, length: number, signature: string): DataView {
    const view = this.view(offset, length);
    if (textOf(view, 0, 4) !== signature) throw unfamiliar(`there is no ${signature} at ${offset}`);
    return view;
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const bytesOf = (view: DataView, start: number, end: number) => {
  if (!(start >= 0 && start <= end && end <= view.byteLength)) throw unfamiliar('a field ends outside');
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start);
};
const decoder = new TextDecoder();
/** Up to its first zero. */
function textOf(view: DataView, start: number, end: number): string {
  const bytes = bytesOf(view, start, end);
  const zero = bytes.indexOf(0);
  return decoder.decode(zero < 0 ? bytes : bytes.subarray(0, zero));
}

/** An address or a length. */
function place(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  return value === nowhere ? -1 : Number(value);
}

const padded = (length: number) => Math.ceil(length / 8) * 8;

const messages = {
  dataspace: 1,
  datatype: 3,
  layout: 8,
  filters: 11,
  attribute: 12,
  continued: 16,
  symbols: 17,
};
/** Messages with no say in what is read: nothing, fill values, times, comments, counts, B-tree sizes. */
const silent: ReadonlySet<number> = new Set([0, 4, 5, 13, 14, 18, 19, 22]);
const stringClass = 3;
const variableLengthClass = 9;

interface Message {
  readonly type: number;
  readonly view: DataView;
}

/** All messages of an object, those that had no room in its first block included. */
function messagesOf(places: Places, address: number): Message[] {
  const head = places.view(address, 16);
  if (head.getUint8(0) !== 1) throw unfamiliar('an object header of another version');
  const blocks = [[address + 16, head.getUint32(8, true)] as const];
  const found: Message[] = [];
  let room = places.sizeBytes;
  for (const [start, length] of blocks) {
    room -= length;
    if (room < 0) throw unfamiliar('object headers that lead round in circles');
    const block = places.view(start, length);
    for (let at = 0; at + 8 <= length; ) {
      const type = block.getUint16(at, true);
      const size = block.getUint16(at + 2, true);
      const isShared = (block.getUint8(at + 4) & 2) !== 0;
      const view = viewOf(bytesOf(block, at + 8, at + 8 + size));
      if (type === messages.continued) blocks.push([place(view, 0), place(view, 8)]);
      else if (isShared) throw unfamiliar('a message that lies elsewhere');
      else if (!silent.has(type)) found.push({ type, view });
      at += 8 + size;
    }
  }
  return found;
}

function shapeOf(view: DataView): number[] {
  const [version, rank] = [view.getUint8(0), view.getUint8(1)];
  const isNull = version === 2 && view.getUint8(3) === 2;
  if ((version !== 1 && version !== 2) || isNull) throw unfamiliar('a dataspace of another version');
  const start = version === 1 ? 8 : 4;
  return Array.from({ length: rank }, (_, i) => place(view, start + 8 * i));
}

interface Datatype extends ElementType {
  /** Of a class that holds others of. */
  readonly bits: number;
}

function datatypeOf(view: DataView): Datatype {
  const first = view.getUint8(0);
  const bits = view.getUint8(1);
  return {
    type: first & 15,
    size: view.getUint32(4, true),
    signed: (bits & 8) !== 0,
    littleEndian: (bits & 1) === 0,
    bits,
  };
}

interface Attribute {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: DataView;
}

function attributeOf(view: DataView): [name: string, attribute: Attribute] {
  const version = view.getUint8(0);
  if (version < 1 || version > 3 || (version > 1 && view.getUint8(1) !== 0))
    throw unfamiliar('an attribute of another version');
  const room = version === 1 ? padded : (length: number) => length;
  const lengths = [2, 4, 6].map((at) => view.getUint16(at, true));
  const starts = [version === 3 ? 9 : 8];
  for (const length of lengths) starts.push((starts.at(-1) as number) + room(length));
  const [name, datatype, dataspace, data] = starts as [number, number, number, number];
  const part = (i: number) =>
    viewOf(bytesOf(view, starts[i] as number, (starts[i] as number) + (lengths[i] as number)));
  return [
    textOf(view, name, datatype),
    {
      datatype: datatypeOf(part(1)),
      shape: shapeOf(viewOf(bytesOf(view, dataspace, data))),
      data: viewOf(bytesOf(view, data, view.byteLength)),
    },
  ];
}

/** A variable-length text, from the heap that it lies in. */
function heapText(places: Places, at: DataView): string {
  const [length, address, wanted] = [at.getUint32(0, true), place(at, 4), at.getUint32(12, true)];
  const size = place(places.signed(address, 16, 'GCOL'), 8);
  const heap = places.view(address, size);
  for (let here = 16; here + 16 <= size; ) {
    const [index, objectSize] = [heap.getUint16(here, true), place(heap, here + 8)];
    if (index === wanted && index !== 0) return textOf(heap, here + 16, here + 16 + length);
    if (index === 0) break;
    here += 16 + padded(objectSize);
  }
  throw unfamiliar('a text that is not in its heap');
}

function textsOf(places: Places, { datatype, shape, data }: Attribute): string[] {
  const count = shape.reduce((product, dim) => product * dim, 1);
  // An empty list of names is one of numbers.
  if (count === 0) return [];
  const { type, size, bits } = datatype;
  const isHeapText = type === variableLengthClass && (bits & 15) === 1 && size === 16;
  // Texts that are filled up with blanks are Fortran's.
  if (!isHeapText && (type !== stringClass || (bits & 15) === 2))
    throw unfamiliar('an attribute that is no text');
  if (count * size > data.byteLength) throw unfamiliar('an attribute that is cut');
  return Array.from({ length: count }, (_, i) =>
    isHeapText
      ? heapText(places, viewOf(bytesOf(data, i * size, (i + 1) * size)))
      : textOf(data, i * size, (i + 1) * size),
  );
}

/** Names of a group with the addresses of what they name, from its tree. */
function membersOf(places: Places, symbols: DataView): Map<string, number> {
  const heap = places.signed(place(symbols, 8), 32, 'HEAP');
  const [namesSize, namesAt] = [place(heap, 8), place(heap, 24)];
  const names = places.view(namesAt, namesSize);
  const found = new Map<string, number>();
  const nodes = [place(symbols, 0)];
  let entriesLeft = mostEntries;
  let namesLeft = namesSize;
  const usedOf = (node: DataView) => {
    const used = node.getUint16(6, true);
    entriesLeft -= used;
    if (entriesLeft < 0) throw unfamiliar('groups that lead round in circles');
    return used;
  };
  for (const address of nodes) {
    if (textOf(places.view(address, 4), 0, 4) === 'TREE') {
      const head = places.view(address, 24);
      if (head.getUint8(4) !== 0) throw unfamiliar('a tree of another kind');
      const used = usedOf(head);
      const keys = places.view(address + 24, 8 + 16 * used);
      for (let i = 0; i < used; i++) nodes.push(place(keys, 8 + 16 * i));
      continue;
    }
    const used = usedOf(places.signed(address, 8, 'SNOD'));
    const entries = places.view(address + 8, 40 * used);
    for (let i = 0; i < used; i++) {
      const name = textOf(names, place(entries, 40 * i), namesSize);
      // Each has a place of its own, and ends with a zero.
      namesLeft -= name.length + 1;
      if (namesLeft < 0) throw unfamiliar('names that lie over each other');
      found.set(name, place(entries, 40 * i + 8));
    }
  }
  return found;
}

class ClassicGroup implements Group {
  readonly #places: Places;
  readonly #messages: readonly Message[];
  readonly #opened = new Map<string, Message[] | undefined>();
  #members: Map<string, number> | undefined;

  constructor(places: Places, found: readonly Message[]) {
    this.#places = places;
    this.#messages = found;
  }

  get #names(): Map<string, number> {
    const symbols = this.#messages.find(({ type }) => type === messages.symbols);
    if (symbols === undefined) throw unfamiliar('a group without a symbol table');
    this.#members ??= membersOf(this.#places, symbols.view);
    return this.#members;
  }

  keys(): string[] {
    return [...this.#names.keys()];
  }

  attribute(wanted: string): string | string[] | undefined {
    for (const { type, view } of this.#messages) {
      if (type !== messages.attribute) continue;
      const [name, attribute] = attributeOf(view);
      if (name !== wanted) continue;
      const texts = textsOf(this.#places, attribute);
      return attribute.shape.length === 0 ? texts[0] : texts;
    }
    return undefined;
  }

  /** The messages of what has the name. */
  member(name: string): Message[] | undefined {
    if (!this.#opened.has(name)) {
      const address = this.#names.get(name);
      this.#opened.set(name, address === undefined ? undefined : messagesOf(this.#places, address));
    }
    return this.#opened.get(name);
  }
}

/** Whether messages are a group's; those of a variable have a layout. */
function isGroup(found: readonly Message[]): boolean {
  const has = (wanted: number) => found.some(({ type }) => type === wanted);
  // Names beyond ASCII make HDF5 write the newer groups, of links.
  if (has(messages.symbols) === has(messages.layout)) throw unfamiliar('an object of another kind');
  return has(messages.symbols);
}

/** An HDF5 file of the kind that Keras writes. @throws Unfamiliar */
export class ClassicHdf5File implements Hdf5File {
  readonly root: ClassicGroup;
  readonly #places: Places;
  #readBytes = 0;

  constructor(source: Hdf5Source) {
    this.#places = new Places(source);
    try {
      this.root = this.#root();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #root(): ClassicGroup {
    const superblock = this.#places.view(0, 96);
    // The row of the readers' table has looked at the file's first bytes; those of an archive's member are looked at here.
    if (textOf(superblock, 1, 6) !== 'HDF\r\n') throw unfamiliar('another signature');
    const [version, offsetSize, lengthSize] = [8, 13, 14].map((at) => superblock.getUint8(at));
    if (version !== 0 || offsetSize !== 8 || lengthSize !== 8 || place(superblock, 24) !== 0)
      throw unfamiliar('a superblock of another kind');
    return new ClassicGroup(this.#places, messagesOf(this.#places, place(superblock, 64)));
  }

  close(): void {
    this.#places.close();
  }

  #at(parent: Group, path: string): Message[] | undefined {
    const parts = path.split('/').filter((name) => name !== '');
    let here = parent as ClassicGroup;
    for (const [i, part] of parts.entries()) {
      const found = here.member(part);
      if (found === undefined || i === parts.length - 1) return found;
      if (!isGroup(found)) return undefined;
      here = new ClassicGroup(this.#places, found);
    }
    return undefined;
  }

  group(parent: Group, path: string): ClassicGroup | undefined {
    const found = this.#at(parent, path);
    return found !== undefined && isGroup(found) ? new ClassicGroup(this.#places, found) : undefined;
  }

  numbers(parent: Group, path: string): Numbers | undefined {
    const found = this.#at(parent, path);
    if (found === undefined || isGroup(found)) return undefined;
    const viewIn = (type: number) => found.find((message) => message.type === type)?.view;
    const [dataspace, datatype, layout] = [messages.dataspace, messages.datatype, messages.layout].map(
      viewIn,
    );
    if (dataspace === undefined || datatype === undefined || layout === undefined || viewIn(messages.filters))
      throw unfamiliar('a variable in another form');
    const shape = shapeOf(dataspace);
    const type = datatypeOf(datatype);
    const count = shape.reduce((product, dim) => product * dim, 1);
    const byteLength = count * type.size;
    // Version 3, in one piece.
    const isPiece = layout.getUint8(0) === 3 && layout.getUint8(1) === 1 && place(layout, 10) >= byteLength;
    this.#readBytes += byteLength;
    const isPossible = Number.isSafeInteger(count) && this.#readBytes <= this.#places.sizeBytes;
    const read = elementReader(type);
    if (!isPiece || !isPossible || read === undefined) throw unfamiliar('a variable in another form');
    return numbersOf(shape, type, read, this.#places.bytes(count === 0 ? 0 : place(layout, 2), byteLength));
  }
}
