import { type ElementType, floatClass, integerClass } from './hdf5-elements.ts';
import { bytesOf, type Places, place, unfamiliar, viewOf } from './hdf5-places.ts';

/** What the messages of an object header are about. */
export const messages = {
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

export interface Message {
  readonly type: number;
  readonly view: DataView;
}

/** All messages of an object, those that had no room in its first block included. */
export function messagesOf(places: Places, address: number): Message[] {
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
      // Of its own: what is kept of an object is not to keep its whole page.
      const view = viewOf(bytesOf(block, at + 8, at + 8 + size).slice());
      if (type === messages.continued) blocks.push([place(view, 0), place(view, 8)]);
      else if (isShared) throw unfamiliar('a message that lies elsewhere');
      else if (!silent.has(type)) found.push({ type, view });
      at += 8 + size;
    }
  }
  return found;
}

export function shapeOf(view: DataView): number[] {
  const [version, rank] = [view.getUint8(0), view.getUint8(1)];
  const isNull = version === 2 && view.getUint8(3) === 2;
  if ((version !== 1 && version !== 2) || isNull) throw unfamiliar('a dataspace of another version');
  const start = version === 1 ? 8 : 4;
  return Array.from({ length: rank }, (_, i) => place(view, start + 8 * i));
}

export interface Datatype extends ElementType {
  /** Of a class that holds others of. */
  readonly bits: number;
}

export function datatypeOf(view: DataView): Datatype {
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

/** Places and numbers of bits of IEEE 754's exponents and fractions, by size in bytes. */
const ieeeFields: Readonly<Record<number, readonly number[]>> = {
  2: [10, 5, 0, 10],
  4: [23, 8, 0, 23],
  8: [52, 11, 0, 52],
};
/** The first bit of a fraction, 1, is not stored. */
const impliedBit = 2 << 4;

/** Whether numbers are what their class and size say: integers that fill their bytes, floats of IEEE 754. HDF5 describes any others too. */
export function isPlain(view: DataView): boolean {
  const { type, size, bits } = datatypeOf(view);
  if (type !== integerClass && type !== floatClass) return true;
  const [offset, precision] = [view.getUint16(8, true), view.getUint16(10, true)];
  if (offset !== 0 || precision !== 8 * size) return false;
  if (type === integerClass) return true;
  const fields = [12, 13, 14, 15].map((at) => view.getUint8(at));
  const bias = 2 ** ((fields[1] as number) - 1) - 1;
  return (
    fields.every((field, i) => field === ieeeFields[size]?.[i]) &&
    view.getUint32(16, true) === bias &&
    view.getUint8(2) === 8 * size - 1 &&
    (bits & (3 << 4)) === impliedBit
  );
}
