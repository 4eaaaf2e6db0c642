import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { KerasModel } from '../../conversion/keras/model.ts';
import type { ModelProto } from '../../conversion/onnx/index.ts';

const encode = await import('../../conversion/onnx/encode.ts');
let fault: (bytes: Uint8Array, model: ModelProto) => void = () => {};
let faulty = 0;
jest.unstable_mockModule('../../conversion/onnx/encode.ts', () => ({
  ...encode,
  encodeModel(model: ModelProto) {
    const bytes = encode.encodeModel(model);
    fault(bytes, model);
    return bytes;
  },
  encodedParts(model: ModelProto) {
    const parts = encode.encodedParts(model);
    const largest = largestWeights(model);
    return parts.map((part) => {
      if (part !== largest) return part;
      const copy = part.slice();
      fault(copy, model);
      // Weights that are on the disk already are told by their place in memory.
      return Buffer.compare(copy, part) === 0 ? part : copy;
    });
  },
}));
const temporary = await import('../../conversion/temporary-folder.ts');
const folders: string[] = [];
jest.unstable_mockModule('../../conversion/temporary-folder.ts', () => ({
  ...temporary,
  withTemporaryFolder: <T>(purpose: string, work: (folder: string) => Promise<T>, neededBytes?: number) =>
    temporary.withTemporaryFolder(
      purpose,
      (folder) => {
        folders.push(folder);
        return work(folder);
      },
      neededBytes,
    ),
}));
const { kerasToOnnx } = await import('../../conversion/keras/to-onnx.ts');
const { apart, decodeModel, giving, modelFiles, signatureOf, valueInfo } = await import(
  '../../conversion/onnx/index.ts'
);
const { kerasParity } = await import('../../conversion/verify/parity.ts');
const { shelve } = await import('../../conversion/verify/shelf.ts');
const { freeze, freezeInto } = await import('../../conversion/methods/freeze.ts');
const { onnxTarget } = await import('../../conversion/targets/onnx.ts');
const { chooseMethod } = await import('../../conversion/auto.ts');
const { inMemory, StoredFile, sha256Of } = await import('../../conversion/version-files.ts');

/** A network of one hidden layer of `units`: the kernel before it has 32 times as many numbers. */
function network(units: number): KerasModel {
  const wave = (length: number, seed: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin(i * 7 + seed) / 4);
  const dense = (name: string, size: number, activation: string) => ({
    class_name: 'Dense',
    config: { name, units: size, activation, use_bias: false },
  });
  return {
    kind: 'keras',
    dialect: 'keras-3',
    config: {
      class_name: 'Sequential',
      config: {
        name: 'net',
        layers: [
          { class_name: 'InputLayer', config: { name: 'x', batch_shape: [null, 32], dtype: 'float32' } },
          dense('hidden', units, 'relu'),
          dense('end', 3, 'softmax'),
        ],
      },
    } as KerasModel['config'],
    weights: new Map([
      ['hidden', [{ name: 'kernel', shape: [32, units], data: wave(32 * units, 1) }]],
      ['end', [{ name: 'kernel', shape: [units, 3], data: wave(3 * units, 2) }]],
    ]),
  };
}

/** The model as TensorFlow.js keeps one. @returns its path */
function writeTfjs({ config, weights }: KerasModel, folder: string): string {
  const all = [...weights].flatMap(([layer, of]) => of.map((weight) => ({ ...weight, layer })));
  const path = join(folder, 'model.json');
  writeFileSync(
    join(folder, 'weights.bin'),
    Buffer.concat(all.map(({ data }) => bufferOf(new Uint8Array(data.buffer)))),
  );
  const entries = all.map(({ layer, name, shape }) => ({
    name: `${layer}/${name}`,
    shape,
    dtype: 'float32',
  }));
  const weightsManifest = [{ paths: ['weights.bin'], weights: entries }];
  writeFileSync(path, JSON.stringify({ modelTopology: { model_config: config }, weightsManifest }));
  return path;
}

const converted = (model: KerasModel, options: { method?: string; mostInlineBytes?: number } = {}) =>
  onnxTarget.convert({
    model,
    where: 'net.h5',
    method: 'none',
    custom: {},
    seed: 0,
    budget: { relativeError: 0.05 },
    ...options,
  });

const bufferOf = ({ buffer, byteOffset, length }: Uint8Array) => Buffer.from(buffer, byteOffset, length);

const largestWeights = (model: ModelProto) =>
  model.graph!.initializer.map(({ rawData }) => rawData).sort((a, b) => b.length - a.length)[0];

/** Turns a bit of every number of the largest weights, where they are in the message: of the exponent in float32. */
const spoilWeights = (bytes: Uint8Array, model: ModelProto) => {
  const largest = largestWeights(model);
  const at = largest === undefined ? -1 : bufferOf(bytes).indexOf(bufferOf(largest));
  if (largest === undefined || largest.length < 1024 || at < 0) return;
  for (let i = at; i < at + largest.length; i++) bytes[i]! ^= (i - at) % 4 === 3 ? 2 : 0;
  faulty++;
};
/** Makes another operator of the softmax at the end, of the same length. */
const spoilEnd = (bytes: Uint8Array) => {
  const at = bufferOf(bytes).indexOf('Softmax');
  if (at < 0) return;
  bytes.set(new TextEncoder().encode('Softplu'), at);
  faulty++;
};

beforeEach(() => {
  fault = () => {};
  faulty = 0;
  folders.length = 0;
});

describe('the gate runs the bytes that ship', () => {
  const sizes = [
    ['in memory', 64],
    ['with weights that it maps from a file', 2 ** 15 + 2 ** 12],
  ] as const;

  it.each(sizes)('and passes them where the encoder is right, %s', async (_, units) => {
    const { parity, files } = await converted(network(units));
    expect(parity.passed).toBe(true);
    expect([...files.keys()]).toEqual(['model.onnx']);
  });

  it.each(sizes)('an encoder that spoils a weight is stopped, %s', async (_, units) => {
    fault = spoilWeights;
    await expect(converted(network(units))).rejects.toMatchObject({ code: 'CONVERSION_PARITY_FAILED' });
    expect(faulty).toBeGreaterThan(0);
  });

  it('an encoder that spoils an operator after the logits is stopped', async () => {
    const model = network(64);
    fault = (bytes, { graph }) => {
      // What is written for the runtime to freeze is no file that ships.
      if (graph!.initializer.every(({ rawData }) => rawData.length > 0)) spoilEnd(bytes);
    };
    await expect(converted(model)).rejects.toMatchObject({ code: expect.stringMatching(/^CONVERSION_/) });
    expect(faulty).toBeGreaterThan(0);
  });

  it('an encoder that spoils a quantized model is stopped', async () => {
    fault = (bytes, { graph }) => {
      // The exact model is written first, and passes.
      const isQuantized = graph!.node.some(({ opType }) => opType === 'MatMulInteger');
      const kernel = graph!.initializer.find(({ rawData }) => rawData.length === 32 * 64)?.rawData;
      const at = kernel === undefined ? -1 : bufferOf(bytes).indexOf(bufferOf(kernel));
      if (!isQuantized || at < 0) return;
      for (let i = at; i < at + 32 * 64; i++) bytes[i]! ^= 64;
      faulty++;
    };
    await expect(converted(network(64), { method: 'dynamic-int8' })).rejects.toMatchObject({
      code: 'CONVERSION_BUDGET_EXCEEDED',
    });
    expect(faulty).toBeGreaterThan(0);
  });

  it('weights in a file beside the message are what is run', async () => {
    const { files, parity } = await converted(network(64), { mostInlineBytes: 1000 });
    expect(parity.passed).toBe(true);
    expect([...files.keys()]).toEqual(['model.onnx', 'model.onnx.data']);
  });
});

describe('a message in two places', () => {
  const model = kerasToOnnx(network(64)).model;
  const message = modelFiles(model, 'model.onnx').get('model.onnx')!;

  it('has the same bytes of weights and says where they are', () => {
    const { message: rest, pieces } = apart(message, 'weights');
    const moved = decodeModel(rest, 'rest').graph!.initializer.filter(
      ({ dataLocation }) => dataLocation === 1,
    );
    expect(moved).toHaveLength(pieces.length);
    expect(rest.length).toBeLessThan(message.length - 32 * 64 * 4 + 100);
    moved.forEach(({ name, externalData }, i) => {
      const whole = model.graph!.initializer.find((tensor) => tensor.name === name)!;
      expect(Buffer.compare(pieces[i]!.bytes, whole.rawData)).toBe(0);
      const { location, offset, length } = Object.fromEntries(
        externalData.map(({ key, value }) => [key, value]),
      );
      expect([location, Number(offset), Number(length)]).toEqual([
        'weights',
        pieces[i]!.offset,
        whole.rawData.length,
      ]);
    });
  });

  it('begins with what ships where it gives more', () => {
    const more = giving(message, [valueInfo({ name: 'inside', dtype: 'float32', shape: [-1] })]);
    expect(Buffer.compare(more.subarray(0, message.length), message)).toBe(0);
    const outputs = decodeModel(more, 'more').graph!.output.map(({ name }) => name);
    expect(outputs).toEqual([...model.graph!.output.map(({ name }) => name), 'inside']);
  });
});

describe('a version that waits on the disk', () => {
  const source = network(64);
  const { model, trace } = kerasToOnnx(source);
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-shelf-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('comes back byte for byte, and has no weights meanwhile', async () => {
    const shelf = await shelve('model.onnx', { model }, folder);
    expect(Math.max(...shelf.model.graph!.initializer.map(({ rawData }) => rawData.length))).toBe(3 * 64 * 4);
    expect(inMemory(shelf.files)).toEqual(modelFiles(model, 'model.onnx'));
  });

  it('has the weights where freezing left them, without reading them, byte for byte', async () => {
    const make = () => kerasToOnnx(network(2 ** 15 + 2 ** 12)).model;
    const frozen = await freezeInto(folder, make);
    expect(frozen.weights?.room.every((byte) => byte === 0)).toBe(true);
    const shelf = await shelve('model.onnx', frozen, folder);
    const whole = modelFiles(await freeze(make), 'model.onnx').get('model.onnx')!;
    expect(Buffer.compare(inMemory(shelf.files).get('model.onnx')!, whole)).toBe(0);
  });

  it.each(['none', 'float16'])(
    'is never whole in memory after the gate, but for a method: %s',
    async (method) => {
      const large = network(2 ** 15 + 2 ** 12);
      const { files } = await converted(large, { method });
      const file = files.get('model.onnx')!;
      expect(file instanceof StoredFile).toBe(method === 'none');
      expect(folders.length).toBeGreaterThan(0);
      expect(folders.filter((left) => existsSync(left))).toEqual([]);
      const { graph } = decodeModel(inMemory(files).get('model.onnx')!, 'model.onnx');
      const weightBytes = graph!.initializer.reduce((sum, { rawData }) => sum + rawData.length, 0);
      expect(weightBytes / file.length).toBeCloseTo(1, 2);
      const again = (await converted(large, { method })).files.get('model.onnx')!;
      expect([again.length, sha256Of(again)]).toEqual([file.length, sha256Of(file)]);
    },
  );

  it('takes no room on the disk while `auto` makes the next candidate', async () => {
    const path = writeTfjs(network(2 ** 15 + 2 ** 12), folder);
    const { candidates } = await chooseMethod(path, {});
    const files = candidates.map(({ conversion }) => conversion?.files.get('model.onnx'));
    expect(files.filter((file) => file instanceof Uint8Array).length).toBeGreaterThan(1);
    expect(files.filter((file) => file instanceof StoredFile)).toEqual([]);
  });

  it('is judged as it ships', async () => {
    const judged = async () => {
      const shelf = await shelve('model.onnx', { model }, folder);
      return kerasParity(source, { ...shelf, trace }, signatureOf(model, 'net.h5'), 0);
    };
    expect(await judged()).toMatchObject({ passed: true });
    fault = spoilWeights;
    await expect(judged()).rejects.toMatchObject({ code: 'CONVERSION_PARITY_FAILED' });
    expect(faulty).toBeGreaterThan(0);
  });

  it('is refused where its file was cut', async () => {
    const shelf = await shelve('model.onnx', { model }, folder);
    truncateSync(join(folder, 'weights'), 100);
    expect(() => inMemory(shelf.files)).toThrow(expect.objectContaining({ code: 'CONVERSION_NOT_WRITABLE' }));
  });
});
