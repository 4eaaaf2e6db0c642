import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { unzipSync } from 'fflate';
import { named } from '../../conversion/keras/model.ts';
import { kerasToOnnx } from '../../conversion/keras/to-onnx.ts';
import { withHdf5 } from '../../conversion/readers/hdf5.ts';
import { ClassicHdf5File } from '../../conversion/readers/hdf5-classic.ts';
import { elementReader } from '../../conversion/readers/hdf5-elements.ts';
import type { Group, Hdf5File } from '../../conversion/readers/hdf5-file.ts';
import { withLibrary } from '../../conversion/readers/hdf5-library.ts';
import { Places } from '../../conversion/readers/hdf5-places.ts';
import { within } from '../../conversion/readers/time-limit.ts';
import { openRecorded } from './recorded.ts';

const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url));
const archives = ['formats.zip', 'options.zip'].map(openRecorded);
const folder = mkdtempSync(join(tmpdir(), 'modelmile-hdf5-test-'));
const copy = join(folder, 'copy.h5');
afterAll(() => {
  rmSync(folder, { recursive: true });
  for (const archive of archives) archive.close();
});

const attributes = ['model_config', 'keras_version', 'layer_names', 'weight_names', 'name', 'backend'];

/** Everything that a reader sees in a file, by path. */
function everything(file: Hdf5File, group: Group = file.root, path = ''): Record<string, unknown> {
  const seen: Record<string, unknown> = Object.fromEntries(
    attributes.map((name) => [`${path}@${name}`, group.attribute(name)]),
  );
  for (const name of [...group.keys()].sort()) {
    const inside = file.group(group, name);
    if (inside === undefined) seen[`${path}/${name}`] = file.numbers(group, name);
    else Object.assign(seen, everything(file, inside, `${path}/${name}`));
  }
  return seen;
}

/** The member of a `.keras` file that has the weights. */
const weightsIn = (path: string) =>
  Object.entries(unzipSync(readFileSync(path))).find(([name]) => name.endsWith('.h5'))![1];

const seenBy = (file: ClassicHdf5File) => {
  try {
    return everything(file);
  } finally {
    file.close();
  }
};

describe('what Keras writes', () => {
  const files = archives.flatMap(({ expected, path }) =>
    Object.values(expected)
      .flatMap((model) => model.files)
      .filter((file) => /\.(h5|keras)$/.test(file))
      .map((file) => ({ file, path: () => path(file) })),
  );

  it('is read without the library, with the same numbers, names and texts', async () => {
    expect(files.length).toBeGreaterThan(300);
    // Every eleventh: the library has its file on the disk each time.
    for (const { file, path } of files.filter((_, i) => i % 11 === 0)) {
      const bytes = file.endsWith('.keras') ? weightsIn(path()) : readFileSync(path());
      const ours = seenBy(new ClassicHdf5File(bytes));
      writeFileSync(copy, bytes);
      const library = await withLibrary([copy], ([opened]) => everything(opened!));
      expect({ file, ours }).toEqual({ file, ours: library });
    }
  });

  it('is familiar in every file, but for names beyond ASCII', () => {
    const strange = readdirSync(fixtures).filter((name) => {
      if (!name.endsWith('.h5')) return false;
      try {
        seenBy(new ClassicHdf5File(`${fixtures}${name}`));
        return false;
      } catch {
        return true;
      }
    });
    expect(strange.filter((name) => !name.endsWith('-latest.h5'))).toEqual(['keras3-names.h5']);
  });
});

it('what newer HDF5 writes, packed in chunks, is read by the library', async () => {
  const [latest, usual] = await Promise.all(
    ['keras2-sequential-latest.h5', 'keras2-sequential.h5'].map((name) =>
      withHdf5([`${fixtures}${name}`], ([file]) => everything(file!)),
    ),
  );
  expect(latest).toEqual(usual);
});

describe('floats of 16 bits in a newer file', () => {
  const read = (name: string) =>
    withHdf5([`${fixtures}${name}-latest.h5`], ([file]) => file!.numbers(file!.root, 'numbers'));

  it('are read where they are IEEE 754’s', async () => {
    expect([...(await read('float16'))!.data]).toEqual([1, 2, -3, 0.5]);
  });

  it('are refused in another form, which the library would read as other numbers', async () => {
    await expect(read('bfloat16')).rejects.toMatchObject({
      code: 'CONVERSION_UNSUPPORTED',
      message: expect.stringContaining("another form than IEEE 754's"),
    });
  });
});

it('a file that was cut anywhere is never read as another', async () => {
  const whole = readFileSync(`${fixtures}keras3-functional.h5`);
  const usual = seenBy(new ClassicHdf5File(whole));
  for (let end = 0; end < whole.length; end += 509) {
    let seen: unknown = usual;
    try {
      seen = seenBy(new ClassicHdf5File(whole.subarray(0, end)));
    } catch {
      // Left to the library.
    }
    expect(seen).toEqual(usual);
  }
});

it('a group is read once, however often it is asked for', () => {
  const file = new ClassicHdf5File(`${fixtures}keras3-functional.h5`);
  const weights = file.group(file.root, 'model_weights')!;
  expect(file.group(file.root, '/model_weights')).toBe(weights);
  const [name] = weights.keys() as [string];
  expect(file.group(file.root, `model_weights/${name}`)).toBe(file.group(weights, name));
  file.close();
});

describe('numbers in another form than their class and size say', () => {
  const float32 = Buffer.from('11201f000400000000002000170800177f000000', 'hex');
  const integers = Buffer.from('1008000004000000000020000000000000000000', 'hex');
  /** A file of Keras's whose first variable claims to be of another type. */
  const retyped = (type: Buffer) => {
    const bytes = readFileSync(`${fixtures}keras3-sequential.h5`);
    type.copy(bytes, bytes.indexOf(float32));
    return withHdf5([bytes], ([file]) => everything(file!));
  };
  const changed = (type: Buffer, at: number, value: number) => {
    const copied = Buffer.from(type);
    copied[at] = value;
    return copied;
  };

  it('are not taken for what they seem, while usual ones are read', async () => {
    const [usual, whole] = [await retyped(float32), await retyped(integers)];
    const differing = Object.keys(usual).filter((path) => !isDeepStrictEqual(usual[path], whole[path]));
    expect(differing.length).toBe(1);
  });

  it.each([
    ['another exponent bias', changed(float32, 16, 100)],
    ["bfloat16's exponent", Buffer.from('11200f00020000000000100007080007' + '7f000000', 'hex')],
    ['a sign elsewhere', changed(float32, 2, 30)],
    ['a first bit that is stored', changed(float32, 1, 0x10)],
    ['integers of 12 bits', changed(integers, 10, 12)],
    ['integers that begin at another bit', changed(integers, 8, 4)],
  ])('are refused: %s', async (_, type) => {
    await expect(retyped(type)).rejects.toMatchObject({ code: 'CONVERSION_UNSUPPORTED' });
  });
});

/** A file whose root is a group: a tree of `nodes` children, all of them the same one of `names` times the same name. */
function roundabout(nodes: number, names: number): Buffer {
  const [header, heap, text, tree] = [96, 200, 240, 512];
  const leaf = tree + 32 + 16 * nodes;
  const bytes = Buffer.alloc(leaf + 8 + 40 * names);
  const [put16, put64] = [
    (at: number, value: number) => bytes.writeUInt16LE(value, at),
    (at: number, value: number) => bytes.writeBigUInt64LE(BigInt(value), at),
  ];
  bytes.write('\x89HDF\r\n\x1a\n', 0, 'latin1');
  bytes.fill(8, 13, 15);
  put64(64, header);
  bytes[header] = 1;
  bytes.writeUInt32LE(24, header + 8);
  put16(header + 16, 17);
  put16(header + 18, 16);
  put64(header + 24, tree);
  put64(header + 32, heap);
  bytes.write('HEAP', heap);
  put64(heap + 8, 16);
  put64(heap + 24, text);
  bytes.write('\0name', text, 'latin1');
  bytes.write('TREE', tree);
  put16(tree + 6, nodes);
  for (let i = 0; i < nodes; i++) put64(tree + 32 + 16 * i, leaf);
  bytes.write('SNOD', leaf);
  put16(leaf + 6, names);
  for (let i = 0; i < names; i++) {
    put64(leaf + 8 + 40 * i, 1);
    put64(leaf + 16 + 40 * i, header);
  }
  return bytes;
}

it('a tree whose children are all the same, or the tree itself, is left to the library', () => {
  const keysOf = (bytes: Buffer) => new ClassicHdf5File(bytes).root.keys();
  expect(keysOf(roundabout(1, 1))).toEqual(['name']);
  expect(() => keysOf(roundabout(1000, 1000))).toThrow(/over each other/);
  const circle = roundabout(2, 1);
  for (const child of [544, 560]) circle.writeBigUInt64LE(512n, child);
  expect(() => keysOf(circle)).toThrow(/round in circles/);
});

it('what reads on and on is stopped, and said to be damaged', () => {
  const forever = () => {
    for (;;);
  };
  expect(() => within(50, 'model.h5', forever)).toThrow(
    expect.objectContaining({
      code: 'CONVERSION_SOURCE_CORRUPT',
      message: expect.stringContaining('model.h5'),
    }),
  );
});

it('names that stand for numbers, and numbers of the other byte order, are read as none', () => {
  const element = { type: 8, size: 1, signed: false, littleEndian: true };
  expect(elementReader(element)).toBe(undefined);
  expect(elementReader({ ...element, type: 1, size: 4, littleEndian: false })).toBe(undefined);
  expect(elementReader({ ...element, type: 0 })).toBeDefined();
});

it('of a large file the pages that were read last are kept, and no more of them', () => {
  const pageBytes = 2 ** 16;
  let loads = 0;
  class Counted extends Uint8Array {
    override subarray(start?: number, end?: number) {
      loads += 1;
      return super.subarray(start, end);
    }
  }
  const bytes = new Counted(258 * pageBytes);
  for (let page = 0; page < 258; page++) bytes[page * pageBytes] = page % 251;
  const places = new Places(bytes);
  const firstOf = (page: number) => {
    loads = 0;
    return [places.view(page * pageBytes, 8).getUint8(0), loads];
  };
  for (let page = 0; page < 258; page++) expect(firstOf(page)).toEqual([page % 251, 1]);
  expect(firstOf(257)).toEqual([257 % 251, 0]);
  expect(firstOf(2)).toEqual([2, 0]);
  expect(firstOf(0)).toEqual([0, 1]);
});

describe('a large variable', () => {
  const path = join(folder, 'large.h5');
  const values = Float32Array.from({ length: 600 * 600 }, (_, i) => Math.sin(i));
  const write = async () => {
    const { default: h5wasm } = await import('h5wasm/node');
    await h5wasm.ready;
    const file = new h5wasm.File(path, 'w', { libver: ['earliest', 'v108'] });
    file.create_dataset({ name: 'kernel', data: values, shape: [600, 600], dtype: '<f4' });
    file.close();
  };
  const numbersIn = (source: string | Uint8Array) => {
    const file = new ClassicHdf5File(source);
    const numbers = file.numbers(file.root, 'kernel')!;
    file.close();
    return numbers;
  };

  it('is read each time that it is asked for, when the file is closed too, and by any name', async () => {
    await write();
    for (const source of [path, new Uint8Array(readFileSync(path))]) {
      const weight = named('b', named('a', numbersIn(source)));
      expect(weight).toMatchObject({ name: 'b', shape: [600, 600] });
      expect(Buffer.compare(new Uint8Array(weight.data.buffer), new Uint8Array(values.buffer))).toBe(0);
      expect(weight.data).not.toBe(weight.data);
    }
  });

  it('is not read from a file that has changed, or is gone', async () => {
    await write();
    const numbers = numbersIn(path);
    utimesSync(path, 1, 1);
    expect(() => numbers.data).toThrow(/large\.h5 was changed while it was converted/);
    rmSync(path);
    expect(() => numbers.data).toThrow(/large\.h5: there is no such file/);
  });
});

it('a layer that is called twice writes weights once that are read anew each time', () => {
  const dense = {
    class_name: 'Dense',
    config: { name: 'd', units: 2, trainable: true },
    inbound_nodes: [[['x', 0, 0, {}]], [['d', 0, 0, {}]]],
  };
  const inputLayer = {
    class_name: 'InputLayer',
    config: { name: 'x', batch_input_shape: [null, 2], dtype: 'float32' },
    inbound_nodes: [],
  };
  const variable = (name: string, shape: number[]) => ({
    name,
    shape,
    get data() {
      return new Float32Array(shape.reduce((a, b) => a * b, 1));
    },
  });
  const { model } = kerasToOnnx({
    kind: 'keras',
    dialect: 'keras-2',
    config: {
      class_name: 'Functional',
      config: { layers: [inputLayer, dense], input_layers: [['x', 0, 0]], output_layers: [['d', 1, 0]] },
    },
    weights: new Map([['d', [variable('kernel', [2, 2]), variable('bias', [2])]]]),
  });
  expect(model.graph!.initializer.map(({ name }) => name)).toEqual(['d/kernel', 'd/bias']);
});
