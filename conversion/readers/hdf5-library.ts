import { statSync } from 'node:fs';
import type H5wasm from 'h5wasm/node';
import { ConversionError } from '../errors.ts';
import { elementReader, floatClass, numbersOf } from './hdf5-elements.ts';
import type { Group, Hdf5File, Numbers } from './hdf5-file.ts';
import { hasStrangeFloats } from './hdf5-floats.ts';
import { limitMsFor, within } from './time-limit.ts';

type LibraryGroup = InstanceType<typeof H5wasm.Group>;
type Dataset = InstanceType<typeof H5wasm.Dataset>;

/** The HDF5 library, loaded where it is needed: that takes longer than all else that a small model needs. */
async function library() {
  const { default: h5wasm } = await import('h5wasm/node');
  const module = await h5wasm.ready;
  // Without it the library prints to standard error and goes on with an invalid handle.
  module.activate_throwing_error_handler();
  return { h5wasm, module };
}

const corrupt = (what: string) => new ConversionError('CONVERSION_SOURCE_CORRUPT', what);

/** libhdf5 tells its whole stack, outermost call first: what was wrong is in the last line that names a function. */
function reasonOf(error: unknown): string {
  const told = (error as Error).message ?? String(error);
  const innermost = [...told.matchAll(/^ *#\d+: .* in \w+\(\): (.+)$/gm)].at(-1)?.[1];
  return innermost === undefined ? told : `HDF5: ${innermost}`;
}

/** A group of the library's. */
class OpenGroup implements Group {
  readonly inside: LibraryGroup;

  constructor(inside: LibraryGroup) {
    this.inside = inside;
  }

  keys(): string[] {
    return this.inside.keys();
  }

  attribute(name: string): string | string[] | undefined {
    const attribute = this.inside.attrs[name];
    if (attribute === undefined) return undefined;
    const { value } = attribute;
    const clean = attribute.metadata.cset === 0 ? utf8 : (text: string) => text;
    return typeof value === 'string'
      ? clean(value)
      : Array.from(value as ArrayLike<unknown>, (item) => clean(String(item)));
  }
}

/** An HDF5 file of any kind. Nothing in it is believed: sizes are checked against the file's before memory is taken. */
class LibraryHdf5File implements Hdf5File {
  readonly root: OpenGroup;
  readonly #file: InstanceType<typeof H5wasm.File>;
  readonly #library: Awaited<ReturnType<typeof library>>;
  readonly #sizeBytes: number;
  readonly #path: string;
  #readBytes = 0;
  /** Once it is asked for. */
  #hasStrangeFloats: boolean | undefined;
  /** By a group's path: the library makes the list anew each time, and a large model asks for thousands. */
  readonly #names = new Map<string, ReadonlySet<string>>();

  constructor(path: string, loaded: Awaited<ReturnType<typeof library>>) {
    this.#library = loaded;
    this.#path = path;
    this.#sizeBytes = statSync(path).size;
    this.#file = new loaded.h5wasm.File(path, 'r');
    this.root = new OpenGroup(this.#file);
  }

  close(): void {
    try {
      this.#file.close();
    } catch {
      // A damaged file may fail to close; what counts has been reported.
    }
  }

  group(parent: Group, path: string): OpenGroup | undefined {
    const found = this.#at(parent, path);
    return found instanceof this.#library.h5wasm.Group ? new OpenGroup(found as LibraryGroup) : undefined;
  }

  #at(parent: Group, path: string): unknown {
    // The library has no way to ask quietly for what may not be there.
    let here: unknown = (parent as OpenGroup).inside;
    for (const part of path.split('/').filter((name) => name !== '')) {
      if (!(here instanceof this.#library.h5wasm.Group) || !this.#namesIn(here as LibraryGroup).has(part))
        return undefined;
      here = (here as LibraryGroup).get(part);
    }
    return here;
  }

  #namesIn(group: LibraryGroup): ReadonlySet<string> {
    const names = this.#names.get(group.path) ?? new Set(group.keys());
    this.#names.set(group.path, names);
    return names;
  }

  numbers(parent: Group, path: string): Numbers | undefined {
    const dataset = this.#at(parent, path);
    if (!(dataset instanceof this.#library.h5wasm.Dataset)) return undefined;
    return this.#decode(dataset as Dataset, path);
  }

  #decode(dataset: Dataset, path: string): Numbers {
    const { metadata } = dataset;
    const { size, shape, chunks } = metadata;
    const read = elementReader(metadata);
    if (shape === null || read === undefined) {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `Variable '${path}' has an element type that is not a number`,
      );
    }
    if (metadata.type === floatClass && this.#isStrange())
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `Variable '${path}' is in a file with floats of another form than IEEE 754's; save it as float32`,
      );
    const count = shape.reduce((product, dim) => product * Number(dim), 1);
    this.#readBytes += count * size;
    // Keras stores variables as they are; packed ones (another writer's) get some room.
    const limit = chunks === null ? this.#sizeBytes : Math.min(this.#sizeBytes * 64, 2 ** 29);
    if (!Number.isSafeInteger(count) || this.#readBytes > limit) {
      throw new ConversionError(
        'CONVERSION_TOO_LARGE',
        `Variable '${path}' claims ${count} numbers, the file has ${this.#sizeBytes} bytes`,
      );
    }
    return numbersOf(shape.map(Number), metadata, read, this.#raw(dataset, count * size));
  }

  #isStrange(): boolean {
    this.#hasStrangeFloats ??= hasStrangeFloats(this.#path);
    return this.#hasStrangeFloats;
  }

  /** The library decodes no float16, so the bytes are taken as they are. */
  #raw(dataset: Dataset, byteLength: number): Uint8Array<ArrayBuffer> {
    if (byteLength === 0) return new Uint8Array(0);
    const { module } = this.#library;
    const pointer = Number(module._malloc(byteLength));
    if (pointer === 0)
      throw new ConversionError('CONVERSION_TOO_LARGE', 'There is no memory for the weights');
    try {
      module.get_dataset_data(dataset.file_id, dataset.path, null, null, null, BigInt(pointer));
      return module.HEAPU8.slice(pointer, pointer + byteLength) as Uint8Array<ArrayBuffer>;
    } finally {
      module._free(pointer as never);
    }
  }
}

/** Bytes by the character that the library makes of them where an attribute says ASCII. */
const byteOf = new Map(
  Array.from({ length: 256 }, (_, byte) => [new TextDecoder('ascii').decode(Uint8Array.of(byte)), byte]),
);

/** h5py marks the UTF-8 that Keras writes as ASCII, and the library believes it. */
function utf8(text: string): string {
  if (!/[^\0-\x7f]/.test(text)) return text;
  return Buffer.from(Array.from(text, (char) => byteOf.get(char) ?? char.charCodeAt(0))).toString('utf8');
}

/**
 * Opens files, hands them to `use` and closes them.
 * @throws ConversionError CONVERSION_SOURCE_CORRUPT where the library stumbles, or goes round in circles
 */
export async function withLibrary<T>(
  paths: readonly string[],
  use: (files: readonly Hdf5File[]) => T,
): Promise<T> {
  const loaded = await library();
  const sizeBytes = paths.reduce((sum, path) => sum + statSync(path).size, 0);
  const what = paths.join(', ');
  return within(limitMsFor(sizeBytes), what, () => {
    const files: LibraryHdf5File[] = [];
    try {
      for (const path of paths) files.push(new LibraryHdf5File(path, loaded));
      return use(files);
    } catch (error) {
      throw error instanceof ConversionError ? error : corrupt(`${what}: ${reasonOf(error)}`);
    } finally {
      for (const file of files) file.close();
    }
  });
}
