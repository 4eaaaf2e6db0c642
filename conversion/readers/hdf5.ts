import { statSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import type H5wasm from 'h5wasm/node';
import { ConversionError } from '../errors.ts';

export type Group = InstanceType<typeof H5wasm.Group>;
type Dataset = InstanceType<typeof H5wasm.Dataset>;

/** Numbers of a dataset, row-major. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Stored as one-byte integers: meaningless without a scale. */
  readonly isByte: boolean;
}

/** HDF5's classes of element types. */
const integerClass = 0;
const floatClass = 1;
const opaqueClass = 5;
const enumClass = 8;

/** The HDF5 library, loaded where it is needed: most commands need none. */
async function library() {
  const { default: h5wasm } = await import('h5wasm/node');
  const module = await h5wasm.ready;
  // Without it the library prints to standard error and goes on with an invalid handle.
  module.activate_throwing_error_handler();
  return { h5wasm, module };
}

/** IEEE half precision. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const bfloatView = new DataView(new ArrayBuffer(4));
/** bfloat16: the upper half of a float32. */
function bfloat(bits: number): number {
  bfloatView.setUint16(0, bits);
  return bfloatView.getFloat32(0);
}

type Read = (view: DataView, at: number) => number;

/** By class and size; HDF5 knows no bfloat16, Keras writes it as two opaque bytes. */
const elements: Record<string, { signed: Read; unsigned: Read }> = {
  [`${floatClass}:2`]: both((v, at) => half(v.getUint16(at, true))),
  [`${floatClass}:4`]: both((v, at) => v.getFloat32(at, true)),
  [`${floatClass}:8`]: both((v, at) => v.getFloat64(at, true)),
  [`${opaqueClass}:2`]: both((v, at) => bfloat(v.getUint16(at, true))),
  [`${enumClass}:1`]: both((v, at) => v.getInt8(at)),
  [`${integerClass}:1`]: { signed: (v, at) => v.getInt8(at), unsigned: (v, at) => v.getUint8(at) },
  [`${integerClass}:2`]: {
    signed: (v, at) => v.getInt16(at, true),
    unsigned: (v, at) => v.getUint16(at, true),
  },
  [`${integerClass}:4`]: {
    signed: (v, at) => v.getInt32(at, true),
    unsigned: (v, at) => v.getUint32(at, true),
  },
  [`${integerClass}:8`]: {
    signed: (v, at) => Number(v.getBigInt64(at, true)),
    unsigned: (v, at) => Number(v.getBigUint64(at, true)),
  },
};

function both(read: Read) {
  return { signed: read, unsigned: read };
}

const corrupt = (what: string) => new ConversionError('CONVERSION_SOURCE_CORRUPT', what);

/** libhdf5 tells its whole stack, outermost call first: what was wrong is in the last line that names a function. */
function reasonOf(error: unknown): string {
  const told = (error as Error).message ?? String(error);
  const innermost = [...told.matchAll(/^ *#\d+: .* in \w+\(\): (.+)$/gm)].at(-1)?.[1];
  return innermost === undefined ? told : `HDF5: ${innermost}`;
}

/** Processor time that reading may take: many times what it needs. */
const leastLimitMs = 4000;
const bytesPerMs = 16_384;

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/**
 * Runs what does not wait for anything, and stops it when it has used up its processor time. The virtual machine counts time as it
 * passes: on a machine that was busy with other things the work is begun again, with twice the time.
 */
function within<T>(limitMs: number, paths: readonly string[], run: () => T): T {
  for (let timeout = Math.ceil(limitMs); ; timeout *= 2) {
    const startedMs = processorMs();
    try {
      return runInNewContext('run()', { run }, { timeout }) as T;
    } catch (error) {
      if (error instanceof ConversionError) throw error;
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT')
        throw corrupt(`${paths.join(', ')}: ${reasonOf(error)}`);
      if (processorMs() - startedMs >= 0.8 * limitMs)
        throw corrupt(`${paths.join(', ')}: its structures lead round in circles`);
    }
  }
}

/** An HDF5 file that is open for reading. Nothing in it is believed: sizes are checked against the file's before memory is taken. */
export class Hdf5File {
  readonly root: Group;
  readonly #file: InstanceType<typeof H5wasm.File>;
  readonly #library: Awaited<ReturnType<typeof library>>;
  readonly #sizeBytes: number;
  #readBytes = 0;
  /** By a group's path: the library makes the list anew each time, and a large model asks for thousands. */
  readonly #names = new Map<string, ReadonlySet<string>>();

  private constructor(path: string, loaded: Awaited<ReturnType<typeof library>>) {
    this.#library = loaded;
    this.#sizeBytes = statSync(path).size;
    this.#file = new loaded.h5wasm.File(path, 'r');
    this.root = this.#file;
  }

  /**
   * Opens files, hands them to `use` and closes them.
   * @throws ConversionError CONVERSION_SOURCE_CORRUPT where the library stumbles, or goes round in circles
   */
  static async with<T>(paths: readonly string[], use: (files: readonly Hdf5File[]) => T): Promise<T> {
    const loaded = await library();
    const limitMs = paths.reduce((sum, path) => sum + statSync(path).size / bytesPerMs, leastLimitMs);
    return within(limitMs, paths, () => {
      const files: Hdf5File[] = [];
      try {
        for (const path of paths) files.push(new Hdf5File(path, loaded));
        return use(files);
      } finally {
        for (const file of files) file.#close();
      }
    });
  }

  #close(): void {
    try {
      this.#file.close();
    } catch {
      // A damaged file may fail to close; what counts has been reported.
    }
  }

  /** The group at a path below another. */
  group(parent: Group, path: string): Group | undefined {
    const found = this.#at(parent, path);
    return found instanceof this.#library.h5wasm.Group ? (found as Group) : undefined;
  }

  #at(parent: Group, path: string): unknown {
    // The library has no way to ask quietly for what may not be there.
    let here: unknown = parent;
    for (const part of path.split('/').filter((name) => name !== '')) {
      if (!(here instanceof this.#library.h5wasm.Group) || !this.#namesIn(here as Group).has(part))
        return undefined;
      here = (here as Group).get(part);
    }
    return here;
  }

  #namesIn(group: Group): ReadonlySet<string> {
    const names = this.#names.get(group.path) ?? new Set(group.keys());
    this.#names.set(group.path, names);
    return names;
  }

  /**
   * The numbers of a dataset of any numeric element type, as float32.
   * @returns undefined where there is no such dataset
   */
  numbers(parent: Group, path: string): Numbers | undefined {
    const dataset = this.#at(parent, path);
    if (!(dataset instanceof this.#library.h5wasm.Dataset)) return undefined;
    return this.#decode(dataset as Dataset, path);
  }

  #decode(dataset: Dataset, path: string): Numbers {
    const { metadata } = dataset;
    const { type, size, shape, signed, littleEndian, chunks } = metadata;
    const element = elements[`${type}:${size}`];
    if (shape === null || element === undefined || !(littleEndian || size === 1 || type === opaqueClass)) {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `Variable '${path}' has an element type that is not a number`,
      );
    }
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
    const bytes = this.#raw(dataset, count * size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const dims = shape.map(Number);
    if (type === floatClass && size === 4)
      return { shape: dims, data: new Float32Array(bytes.buffer), isByte: false };
    const read = signed ? element.signed : element.unsigned;
    const data = Float32Array.from({ length: count }, (_, i) => read(view, i * size));
    return { shape: dims, data, isByte: size === 1 };
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

/** An attribute's strings. */
function texts(group: Group, name: string): string[] | undefined {
  const attribute = group.attrs[name];
  if (attribute === undefined) return undefined;
  const { value } = attribute;
  const found = typeof value === 'string' ? [value] : Array.from(value as ArrayLike<unknown>, String);
  return attribute.metadata.cset === 0 ? found.map(utf8) : found;
}

/** A text attribute. */
export function textAttribute(group: Group, name: string): string | undefined {
  return typeof group.attrs[name]?.value === 'string' ? texts(group, name)?.[0] : undefined;
}

/** A list of names; Keras splits lists over 64 KB into `<name>0`, `<name>1`, ... */
export function namesAttribute(group: Group, name: string): string[] {
  const whole = texts(group, name);
  if (whole !== undefined) return whole;
  const parts: string[] = [];
  for (let n = 0; ; n++) {
    const part = texts(group, `${name}${n}`);
    if (part === undefined) return parts;
    parts.push(...part);
  }
}
