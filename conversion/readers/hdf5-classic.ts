import { ConversionError } from '../errors.ts';
import { elementReader, numbersLater, numbersOf } from './hdf5-elements.ts';
import type { Group, Hdf5File, Hdf5Source, Numbers } from './hdf5-file.ts';
import { ClassicGroup } from './hdf5-groups.ts';
import { datatypeOf, isPlain, type Message, messages, messagesOf, shapeOf } from './hdf5-messages.ts';
import { Places, place, textOf, unfamiliar } from './hdf5-places.ts';

/*
 * HDF5 as h5py writes it unless it is told otherwise: superblock 0, groups by symbol tables, object headers of version 1, variables in one
 * piece. The library for the rest takes longer to load than a small model to convert.
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */

/** The messages of one. */
type Variable = readonly Message[];

/** Whether messages are a group's; those of a variable have a layout. */
function isGroup(found: readonly Message[]): boolean {
  const has = (wanted: number) => found.some(({ type }) => type === wanted);
  // Names beyond ASCII make HDF5 write the newer groups, of links.
  if (has(messages.symbols) === has(messages.layout)) throw unfamiliar('an object of another kind');
  return has(messages.symbols);
}

/** Variables of as many bytes are not held: a model is mostly these. */
const fewestReadLater = 2 ** 20;

/** An HDF5 file of the kind that Keras writes. @throws Unfamiliar */
export class ClassicHdf5File implements Hdf5File {
  readonly root: ClassicGroup;
  readonly #places: Places;
  /** By address: a table of names is read once, however often a reader comes by. */
  readonly #groups = new Map<number, ClassicGroup>();
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

  #at(parent: Group, path: string): ClassicGroup | Variable | undefined {
    let here: ClassicGroup | Variable | undefined = parent as ClassicGroup;
    for (const part of path.split('/').filter((name) => name !== '')) {
      const address: number | undefined = here instanceof ClassicGroup ? here.addressOf(part) : undefined;
      here = address === undefined ? undefined : this.#object(address);
    }
    return here;
  }

  #object(address: number): ClassicGroup | Variable {
    const known = this.#groups.get(address);
    if (known !== undefined) return known;
    const found = messagesOf(this.#places, address);
    if (!isGroup(found)) return found;
    const group = new ClassicGroup(this.#places, found);
    this.#groups.set(address, group);
    return group;
  }

  group(parent: Group, path: string): ClassicGroup | undefined {
    const found = this.#at(parent, path);
    return found instanceof ClassicGroup ? found : undefined;
  }

  numbers(parent: Group, path: string): Numbers | undefined {
    const found = this.#at(parent, path);
    if (found === undefined || found instanceof ClassicGroup) return undefined;
    const viewIn = (type: number) => found.find((message) => message.type === type)?.view;
    const [dataspace, datatype, layout] = [messages.dataspace, messages.datatype, messages.layout].map(
      viewIn,
    );
    if (dataspace === undefined || datatype === undefined || layout === undefined || viewIn(messages.filters))
      throw unfamiliar('a variable in another form');
    const shape = shapeOf(dataspace);
    const type = datatypeOf(datatype);
    // The library would read them by class and size too, as other numbers.
    if (!isPlain(datatype)) {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `Variable '${path}' has numbers in a form of their own, neither whole integers nor floats of IEEE 754`,
      );
    }
    const count = shape.reduce((product, dim) => product * dim, 1);
    const byteLength = count * type.size;
    // Version 3, in one piece.
    const isPiece = layout.getUint8(0) === 3 && layout.getUint8(1) === 1 && place(layout, 10) >= byteLength;
    this.#readBytes += byteLength;
    const isPossible = Number.isSafeInteger(count) && this.#readBytes <= this.#places.sizeBytes;
    const read = elementReader(type);
    if (!isPiece || !isPossible || read === undefined) throw unfamiliar('a variable in another form');
    const offset = count === 0 ? 0 : place(layout, 2);
    if (byteLength < fewestReadLater)
      return numbersOf(shape, type, read, this.#places.bytes(offset, byteLength));
    return numbersLater(shape, type, read, this.#places.later(offset, byteLength));
  }
}
