import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  accuracyOf,
  bytesOf,
  type Conversion,
  convert,
  inspect,
  profileOf,
  readLabelledSet,
  readVersion,
  writeVersion,
} from '../../conversion/index.ts';
import { artifactFiles, sizeOfArtifact } from '../../conversion/manifest/index.ts';
import { FunctionProtoSchema, SparseTensorProtoSchema } from '../../conversion/onnx/generated/onnx_pb.js';
import {
  type AttributeProtoSchema,
  decodeModel,
  encodeModel,
  type ModelProto,
  makeNode,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  tensorProto,
  valueInfo,
} from '../../conversion/onnx/index.ts';
import { readModel } from '../../conversion/readers/onnx.ts';
import { answersOf, openRecorded } from './recorded.ts';

const digits = 'samples/digits/model.h5';
const labels = 'samples/digits/heldout.npz';
const calibration = labels;
/** Real ones begin at 1.5 GB: everything else about them is the same. */
const small = { mostInlineBytes: 4096 };

const work = mkdtempSync(join(tmpdir(), 'modelmile-external-'));
const recorded = openRecorded('layers.zip');
const oneFile = join(work, 'whole.onnx');
let whole: Conversion;
let apart: Conversion;
beforeAll(async () => {
  whole = await convert(digits);
  writeFileSync(oneFile, bytesOf(whole.files.get('model.onnx')!));
  apart = await convert(digits, small);
  await writeVersion(apart, join(work, 'version'));
});
afterAll(() => {
  recorded.close();
  rmSync(work, { recursive: true, force: true });
});

const source = () => join(work, 'version', 'model.onnx');
const messageOf = ({ files }: Conversion) => decodeModel(bytesOf(files.get('model.onnx')!), 'model.onnx');
const entriesOf = ({ externalData }: TensorProto) =>
  Object.fromEntries(externalData.map(({ key, value }) => [key, value]));

describe('a model whose weights outgrow one message', () => {
  it('has them in a file beside it, each on a page of its own, named in the manifest', () => {
    expect([...apart.files.keys()]).toEqual(['manifest.json', 'model.onnx', 'model.onnx.data']);
    const { artifact } = apart.manifest;
    expect(artifactFiles(apart.manifest).map(({ file }) => file)).toEqual(['model.onnx', 'model.onnx.data']);
    expect(artifact.model.sizeBytes).toBeLessThan(4096);
    expect(artifact.externalData!.sizeBytes).toBe(bytesOf(apart.files.get('model.onnx.data')!).length);
    expect(sizeOfArtifact(apart.manifest)).toBeGreaterThan(400_000);
    const places = messageOf(apart).graph!.initializer.filter(({ dataLocation }) => dataLocation === 1);
    expect(places.map((tensor) => entriesOf(tensor)['location'])).toEqual(
      places.map(() => 'model.onnx.data'),
    );
    for (const tensor of places) expect(Number(entriesOf(tensor)['offset']) % 4096).toBe(0);
  });

  it('is the same every time, and answers as it does in one file', async () => {
    expect((await convert(digits, small)).digest).toBe(apart.digest);
    expect(apart.manifest.parity).toEqual(whole.manifest.parity);
    const set = await readLabelledSet(labels);
    const signature = whole.manifest.signatures['serving_default']!;
    expect(await accuracyOf(apart.files, signature, set)).toEqual(
      await accuracyOf(whole.files, signature, set),
    );
    const rows = [{ shape: [1, 784], data: [...set.inputs.subarray(0, 784)] }];
    expect(await answersOf(apart, rows)).toEqual(await answersOf(whole, rows));
  });

  it('is read back with all of its files, and measured', async () => {
    const back = await readVersion(join(work, 'version'));
    expect(back).toEqual(apart);
    expect((await profileOf(back)).sizeBytes).toBe(sizeOfArtifact(apart.manifest));
  });

  it('has room for the bodies of loops', async () => {
    const { files, manifest } = await convert(recorded.path('keras3-masked-lstm.h5'));
    const model = decodeModel(bytesOf(files.get('model.onnx')!), 'masked-lstm');
    const [output] = manifest.signatures['serving_default']!.outputs;
    const [units, width] = [output!.shape[1] as number, 2000];
    const weights = Float32Array.from({ length: units * width }, (_, i) => Math.sin(i));
    model.graph!.initializer.push(tensorProto('w', 'float32', [units, width], weights));
    model.graph!.node.push(makeNode('MatMul', [output!.name, 'w'], ['z']));
    model.graph!.output = [valueInfo({ name: 'z', dtype: 'float32', shape: [-1, width] })];
    const path = join(work, 'loop.onnx');
    writeFileSync(path, encodeModel(model));
    const split = await convert(path, small);
    expect(split.files.has('model.onnx.data')).toBe(true);
    const { inputs } = recorded.expected['keras3-masked-lstm']!;
    expect(await answersOf(split, inputs)).toEqual(await answersOf(await convert(path), inputs));
  });
});

describe('an ONNX source with weights beside it', () => {
  it('is what it is in one file, and a version of its own', async () => {
    const [joined, one] = [await convert(source()), await convert(oneFile)];
    expect(joined.manifest.artifact).toEqual(one.manifest.artifact);
    expect(joined.manifest.source).toMatchObject({
      dialect: 'onnx',
      sizeBytes: sizeOfArtifact(apart.manifest),
    });
    expect((await inspect(source())).parameters).toBe((await inspect(oneFile)).parameters);
  });

  it.each(['dynamic-int8', 'static-int8', 'float16'])('goes through method %s', async (method) => {
    const how = { method, calibration, ...small };
    const [joined, direct] = [await convert(source(), how), await convert(oneFile, how)];
    expect(joined.files.has('model.onnx.data')).toBe(true);
    expect(joined.manifest.artifact).toEqual(direct.manifest.artifact);
  });

  it('is pruned', async () => {
    const how = { prune: 'structured:0.5', budget: { relativeError: 2 }, ...small };
    const { manifest } = await convert(source(), how);
    expect(sizeOfArtifact(manifest)).toBeLessThan(0.6 * sizeOfArtifact(apart.manifest));
  });

  it('is another source when only its weights are', async () => {
    const path = join(work, 'others', 'model.onnx');
    const data = bytesOf(apart.files.get('model.onnx.data')!).slice();
    data[1] = data[1]! ^ 1;
    write(path, bytesOf(apart.files.get('model.onnx')!), data);
    expect((await inspect(path)).sha256).not.toBe((await inspect(source())).sha256);
  });
});

function write(path: string, message: Uint8Array, data?: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, message);
  if (data !== undefined) writeFileSync(join(dirname(path), 'model.onnx.data'), data);
}

/** The version's model with another entry for its first large constant. */
function withEntry(key: string, value: string): Uint8Array {
  const model: ModelProto = messageOf(apart);
  const tensor = model.graph!.initializer.find(({ dataLocation }) => dataLocation === 1)!;
  tensor.externalData.find((entry) => entry.key === key)!.value = value;
  return encodeModel(model);
}

const attribute = (value: MessageInitShape<typeof AttributeProtoSchema>) =>
  create(NodeProtoSchema, { opType: 'Constant', output: ['constant'], attribute: [value] });

/** A model with a constant of 256 numbers in a place of the specification's, the numbers in a file. */
function modelWith(place: keyof typeof places, location: string): ModelProto {
  const values = create(TensorProtoSchema, {
    name: 'values',
    dims: [256n],
    dataType: 1,
    dataLocation: 1,
    externalData: [{ key: 'location', value: location }],
  });
  const model: ModelProto = messageOf(whole);
  places[place](model, values);
  return model;
}

const places = {
  'a sparse constant': ({ graph }: ModelProto, values: TensorProto) =>
    graph!.sparseInitializer.push(create(SparseTensorProtoSchema, { values })),
  "a sparse constant's indices": ({ graph }: ModelProto, indices: TensorProto) =>
    graph!.sparseInitializer.push(create(SparseTensorProtoSchema, { indices })),
  'a node': ({ graph }: ModelProto, t: TensorProto) => graph!.node.push(attribute({ t })),
  'a node, sparse': ({ graph }: ModelProto, values: TensorProto) =>
    graph!.node.push(attribute({ sparseTensor: { values } })),
  'a node, many': ({ graph }: ModelProto, values: TensorProto) =>
    graph!.node.push(attribute({ sparseTensors: [{ values }] })),
  'a body': ({ graph }: ModelProto, values: TensorProto) =>
    graph!.node.push(attribute({ g: { initializer: [values] } })),
  'a function': ({ functions }: ModelProto, t: TensorProto) =>
    functions.push(create(FunctionProtoSchema, { node: [attribute({ t })] })),
  'a body in a function': ({ functions }: ModelProto, values: TensorProto) =>
    functions.push(create(FunctionProtoSchema, { node: [attribute({ g: { initializer: [values] } })] })),
  "a function's attribute": ({ functions }: ModelProto, t: TensorProto) =>
    functions.push(create(FunctionProtoSchema, { attributeProto: [{ t }] })),
};

describe.each(Object.keys(places) as (keyof typeof places)[])('weights beside a model, of %s', (place) => {
  const path = join(work, 'places', 'model.onnx');

  it('are read into it', async () => {
    write(path, encodeModel(modelWith(place, './w')));
    const numbers = Buffer.from(Array.from({ length: 1024 }, (_, i) => i));
    writeFileSync(join(dirname(path), 'w'), numbers);
    const read = Buffer.from(encodeModel(await readModel(path)));
    expect(read.includes(numbers)).toBe(true);
    expect(read.includes('location')).toBe(false);
  });

  it('are not, where they are in no file of its folder', async () => {
    writeFileSync(join(work, 'secret'), new Uint8Array(1024));
    write(path, encodeModel(modelWith(place, '../secret')));
    await expect(convert(path)).rejects.toMatchObject({
      code: 'CONVERSION_SOURCE_CORRUPT',
      message: expect.stringContaining("'../secret'"),
    });
  });
});

it('a file that a model calls by many names is read once', async () => {
  const path = join(work, 'names', 'model.onnx');
  const model = messageOf(apart);
  const tensors = model.graph!.initializer.filter(({ dataLocation }) => dataLocation === 1);
  expect(tensors.length).toBeGreaterThan(1);
  for (const [i, { externalData }] of tensors.entries())
    externalData.find(({ key }) => key === 'location')!.value = `${'./'.repeat(i)}model.onnx.data`;
  const [message, data] = [encodeModel(model), bytesOf(apart.files.get('model.onnx.data')!)];
  write(path, message, data);
  const buffers = (await readModel(path))
    .graph!.initializer.filter(({ rawData }) => rawData.length >= 1024)
    .map(({ rawData }) => rawData.buffer);
  expect(buffers.length).toBe(tensors.length);
  expect(new Set(buffers).size).toBe(1);
  expect((await convert(path)).manifest.source.sizeBytes).toBe(message.length + data.length);
});

describe('weights that are not where a model says', () => {
  const outside = join(work, 'outside');
  beforeAll(() => writeFileSync(outside, new Uint8Array(500_000)));

  const corrupt = 'CONVERSION_SOURCE_CORRUPT';
  it.each<[string, string, string, string]>([
    ['a file of another folder', 'location', '../outside', corrupt],
    ['a path from the root', 'location', outside, corrupt],
    ['a device', 'location', '/dev/zero', corrupt],
    ['no name', 'location', '', corrupt],
    ['the folder', 'location', '.', corrupt],
    ['a folder in it', 'location', 'folder', corrupt],
    ['a link out of it', 'location', 'link', corrupt],
    ['a file that is not there', 'location', 'gone', 'CONVERSION_NO_SUCH_FILE'],
    ['a name with a zero byte', 'location', 'a\0b', 'CONVERSION_NO_SUCH_FILE'],
    ['an offset beyond the end', 'offset', '500000', corrupt],
    ['an offset before the beginning', 'offset', '-4096', corrupt],
    ['an offset that is no number', 'offset', 'x', corrupt],
    ['an offset beyond all numbers', 'offset', '1e400', corrupt],
    ['a length beyond the end', 'length', '99999999999', corrupt],
    ['another length than the shape has', 'length', '4096', corrupt],
  ])('%s', async (_, key, value, code) => {
    const path = join(work, 'faulty', 'model.onnx');
    write(path, withEntry(key, value), bytesOf(apart.files.get('model.onnx.data')!));
    if (!existsSync(join(work, 'faulty', 'link'))) {
      symlinkSync(outside, join(work, 'faulty', 'link'));
      mkdirSync(join(work, 'faulty', 'folder'));
    }
    await expect(convert(path)).rejects.toMatchObject({ code });
    await expect(inspect(path)).rejects.toMatchObject({ code });
  });

  it('a file that was cut short', async () => {
    const path = join(work, 'short', 'model.onnx');
    write(
      path,
      bytesOf(apart.files.get('model.onnx')!),
      bytesOf(apart.files.get('model.onnx.data')!).subarray(0, 100_000),
    );
    await expect(convert(path)).rejects.toMatchObject({
      code: corrupt,
      message: expect.stringContaining('which has 100000'),
    });
  });

  it('while a folder of links into a cache is read', async () => {
    const [cache, links] = [join(work, 'cache'), join(work, 'links')];
    mkdirSync(cache);
    mkdirSync(links);
    writeFileSync(join(cache, '1'), bytesOf(apart.files.get('model.onnx')!));
    writeFileSync(join(cache, '2'), bytesOf(apart.files.get('model.onnx.data')!));
    symlinkSync('../cache/1', join(links, 'model.onnx'));
    symlinkSync('../cache/2', join(links, 'model.onnx.data'));
    expect((await convert(join(links, 'model.onnx'))).manifest.parity.passed).toBe(true);
  });
});
