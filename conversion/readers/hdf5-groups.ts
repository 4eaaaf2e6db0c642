import { attributeOf, textsOf } from './hdf5-attributes.ts';
import type { Group } from './hdf5-file.ts';
import { type Message, messages } from './hdf5-messages.ts';
import { type Places, place, textOf, unfamiliar } from './hdf5-places.ts';

/** More than any model has in one group's tree, of nodes and names together: one that leads round in circles. */
const mostEntries = 2 ** 17;

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

/** A group: a table of names, and attributes. */
export class ClassicGroup implements Group {
  readonly #places: Places;
  readonly #messages: readonly Message[];
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

  /** Where the object header is of what has the name. */
  addressOf(name: string): number | undefined {
    return this.#names.get(name);
  }
}
