import { type Datatype, datatypeOf, shapeOf } from './hdf5-messages.ts';
import { bytesOf, type Places, padded, place, textOf, unfamiliar, viewOf } from './hdf5-places.ts';

/** HDF5's classes of texts. */
const stringClass = 3;
const variableLengthClass = 9;

interface Attribute {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: DataView;
}

export function attributeOf(view: DataView): [name: string, attribute: Attribute] {
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

export function textsOf(places: Places, { datatype, shape, data }: Attribute): string[] {
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
