import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseMethod, convert } from '../../conversion/index.ts';
import { toFloat16Bits } from '../../conversion/methods/float16.ts';
import { freeze } from '../../conversion/methods/freeze.ts';
import { methods } from '../../conversion/methods/index.ts';
import type { Method } from '../../conversion/methods/method.ts';
import { prune } from '../../conversion/methods/prune.ts';
import { encodeModel, GraphBuilder, type ModelProto, signatureOf } from '../../conversion/onnx/index.ts';
import { answers } from '../../conversion/verify/model-parity.ts';
import { seededRandom } from '../../conversion/verify/random.ts';
import { randomRows } from '../../conversion/verify/random-rows.ts';

const digits = { model: 'samples/digits/model.h5', labels: 'samples/digits/heldout.npz' };

const normal = (seed: number) => {
  const random = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
};

function weights(count: number, seed: number, scale: number): Float32Array {
  const next = normal(seed);
  return Float32Array.from({ length: count }, () => scale * next());
}

/** Dense layers of the given widths with ReLU between them; `dead` units of each hidden layer are zero. */
function dense(widths: readonly number[], seed: number, dead = 0): ModelProto {
  const graph = new GraphBuilder();
  let value = graph.input('x', 'float32', [-1, widths[0] as number]);
  for (let i = 1; i < widths.length; i++) {
    const [rows, columns] = [widths[i - 1] as number, widths[i] as number];
    const data = weights(rows * columns, seed + i, Math.sqrt(2 / rows));
    const bias = weights(columns, seed + 100 + i, 0.1);
    const isLast = i === widths.length - 1;
    for (let unit = 0; unit < (isLast ? 0 : dead); unit++) {
      bias[unit] = 0;
      for (let row = 0; row < rows; row++) data[row * columns + unit] = 0;
    }
    const w = graph.constant(`w${i}`, 'float32', [rows, columns], data);
    const b = graph.constant(`b${i}`, 'float32', [columns], bias);
    const product = graph.node('MatMul', [value, w], { name: `matmul${i}`, shape: [-1, columns] });
    value = graph.node('Add', [product, b], { name: `add${i}`, shape: [-1, columns] });
    if (!isLast) value = graph.node('Relu', [value], { name: `relu${i}`, shape: [-1, columns] });
  }
  graph.output('y', value);
  return graph.build('dense');
}

/** Convolution, batch normalization, a residual sum, a depthwise convolution, pools and a dense end. */
function convolutional(channels: number, seed: number): ModelProto {
  const graph = new GraphBuilder();
  const c = channels;
  const shape = [-1, c, 8, 8];
  const constant = (name: string, dims: number[], scale: number, at: number) => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    return graph.constant(name, 'float32', dims, weights(count, seed + at, scale));
  };
  const ones = (name: string) => graph.constant(name, 'float32', [c], new Float32Array(c).fill(1));
  const pads = { pads: [1n, 1n, 1n, 1n] };
  const x = graph.input('x', 'float32', [-1, 3, 8, 8]);
  const first = graph.node('Conv', [x, constant('w1', [c, 3, 3, 3], 0.3, 1)], { name: 'conv1', shape }, pads);
  const normalized = graph.node(
    'BatchNormalization',
    [first, ones('gamma'), constant('beta', [c], 0.2, 2), constant('mean', [c], 0.2, 3), ones('variance')],
    { name: 'bn', shape },
  );
  const active = graph.node('Relu', [normalized], { name: 'relu1', shape });
  const second = graph.node(
    'Conv',
    [active, constant('w2', [c, c, 3, 3], 0.15, 4), constant('b2', [c], 0.1, 5)],
    { name: 'conv2', shape },
    pads,
  );
  const sum = graph.node('Add', [second, active], { name: 'sum', shape });
  const depthwise = graph.node(
    'Conv',
    [sum, constant('w3', [c, 1, 3, 3], 0.4, 6)],
    { name: 'depthwise', shape },
    { ...pads, group: BigInt(c) },
  );
  const clipped = graph.node('Relu', [depthwise], { name: 'relu2', shape });
  const pooled = graph.node(
    'MaxPool',
    [clipped],
    { name: 'pool', shape: [-1, c, 4, 4] },
    { kernel_shape: [2n, 2n], strides: [2n, 2n] },
  );
  const flat = graph.node('Flatten', [pooled], { name: 'flat', shape: [-1, c * 16] });
  const end = graph.node('Gemm', [flat, constant('w4', [c * 16, 10], 0.1, 7)], {
    name: 'end',
    shape: [-1, 10],
  });
  graph.output('y', end);
  return graph.build('convolutional');
}

/** Largest difference of two models' answers, as a share of the largest answer. */
async function distance(a: ModelProto, b: ModelProto, seed = 5): Promise<number> {
  const signature = signatureOf(a, 'a');
  const rows = await randomRows(a, signature, seed);
  const [left, right] = [(await answers(a, signature, rows))[0]!, (await answers(b, signature, rows))[0]!];
  expect(right.shape).toEqual(left.shape);
  const largest = left.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const apart = left.data.reduce((max, value, i) => Math.max(max, Math.abs(value - right.data[i]!)), 0);
  return apart / largest;
}

async function applied(name: keyof typeof methods, model: ModelProto): Promise<ModelProto> {
  const frozen = await freeze(() => model);
  const signature = signatureOf(frozen, 'model');
  const method: Method = methods[name];
  return method.apply(frozen, { signature, rows: await randomRows(frozen, signature, 0) });
}

const opsOf = (model: ModelProto) => model.graph!.node.map(({ opType }) => opType);

describe('freezing', () => {
  it('folds batch normalization into the convolution before it, and answers as before', async () => {
    const model = convolutional(8, 1);
    const frozen = await freeze(() => model);
    expect(opsOf(model)).toContain('BatchNormalization');
    expect(opsOf(frozen)).not.toContain('BatchNormalization');
    expect(await distance(model, frozen)).toBeLessThan(1e-5);
  });

  it('gives the same bytes every time', async () => {
    const model = convolutional(8, 1);
    expect(encodeModel(await freeze(() => model))).toEqual(encodeModel(await freeze(() => model)));
  });
});

describe('quantization', () => {
  it('keeps the answers of dense networks, of every method, near the float ones', async () => {
    const shapes = fc.array(fc.integer({ min: 20, max: 60 }), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 0, max: 1000 }), async (widths, seed) => {
        const model = dense(widths, seed);
        expect(await distance(model, await applied('dynamic-int8', model))).toBeLessThan(0.1);
        expect(await distance(model, await applied('static-int8', model))).toBeLessThan(0.15);
        expect(await distance(model, await applied('float16', model))).toBeLessThan(0.003);
      }),
      { numRuns: 8, seed: 7 },
    );
  }, 60_000);

  it('keeps convolutions, sums and pools near the float ones, in int8', async () => {
    const model = convolutional(16, 3);
    const quantized = await applied('static-int8', model);
    expect(await distance(model, quantized)).toBeLessThan(0.1);
    expect(encodeModel(model).length / encodeModel(quantized).length).toBeGreaterThan(2);
  });

  it('refuses to make convolutions slower, by their name', async () => {
    await expect(applied('dynamic-int8', convolutional(8, 1))).rejects.toThrow(/'conv1'.*Use static-int8/s);
  });

  it('rounds to float16 as IEEE 754 does', () => {
    const bits = (value: number) => toFloat16Bits(value);
    expect([0, -0, 1, -2, 65504, 2 ** -14, 2 ** -24, 1 / 3].map(bits)).toEqual([
      0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x3555,
    ]);
    // Ties go to the even neighbour; below half of the smallest step there is nothing.
    expect([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -26, 1e9].map(bits)).toEqual([0x3c00, 0x3c02, 0, 0x7bff]);
  });
});

describe('pruning', () => {
  it('takes units that change nothing, and answers as before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 1, max: 8 }),
        async (seed, dead) => {
          const model = await freeze(() => dense([12, 24, 20, 5], seed, dead));
          const pruned = prune(model, 'dead');
          expect(await distance(model, pruned)).toBeLessThan(1e-6);
          const dims = (wanted: ModelProto) =>
            wanted.graph!.initializer.map((tensor) => tensor.dims.map(Number));
          expect(dims(pruned)).toContainEqual([12, 24 - dead]);
          expect(dims(pruned)).toContainEqual([24 - dead, 20 - dead]);
        },
      ),
      { numRuns: 8, seed: 7 },
    );
  }, 60_000);

  it('takes units of layers that depend on each other together: sums, depthwise convolutions, flattened maps', async () => {
    const model = await freeze(() => convolutional(16, 2));
    const pruned = prune(model, 'structured:0.5');
    // It still runs, on the same inputs and outputs, with half of the channels everywhere.
    expect(await distance(model, pruned)).toBeGreaterThan(0);
    const dims = pruned.graph!.initializer.map((tensor) => tensor.dims.map(Number));
    for (const wanted of [
      [8, 3, 3, 3],
      [8, 8, 3, 3],
      [8, 1, 3, 3],
      [8 * 16, 10],
    ])
      expect(dims).toContainEqual(wanted);
  });

  it('makes zeros of the smallest weights, and leaves the size as it is', async () => {
    const model = await freeze(() => dense([40, 40, 10], 1));
    const pruned = prune(model, 'unstructured:0.8');
    const zeros = pruned
      .graph!.initializer.filter(({ dims }) => dims.length === 2)
      .map(({ rawData }) => new Float32Array(new Uint8Array(rawData).buffer))
      .map((data) => data.filter((value) => value === 0).length / data.length);
    for (const share of zeros) expect(share).toBeCloseTo(0.8, 2);
    expect(encodeModel(pruned).length).toBe(encodeModel(model).length);
  });

  it.each(['structured:0.5', 'unstructured:0.5'])(
    'refuses %s of a model that has nothing of the kind, which would be recorded as pruned',
    async (how) => {
      const model = await freeze(() => dense([12, 5], 1));
      expect(() => prune(model, how)).toThrow(/finds nothing to take out of this model/);
      expect(prune(model, 'dead')).toBe(model);
    },
  );

  it.each(['half', 'structured', 'structured:1', 'structured:-1', 'dead:0.5', 'unstructured:x'])(
    'refuses %s with what it takes',
    async (how) => {
      const model = dense([4, 4, 2], 1);
      expect(() => prune(model, how)).toThrow(/structured:<share>/);
    },
  );
});

describe('the digits', () => {
  it.each(Object.keys(methods))(
    'convert by %s twice to the same bytes, and lose at most half a point',
    async (method) => {
      const options = { method, labels: digits.labels };
      const [once, again] = [await convert(digits.model, options), await convert(digits.model, options)];
      expect(again.files).toEqual(once.files);
      const exact = await convert(digits.model, { labels: digits.labels });
      expect(exact.manifest.accuracy!.value - once.manifest.accuracy!.value).toBeLessThanOrEqual(0.005);
    },
    60_000,
  );

  it('get at least 3.9 times smaller by dynamic int8', async () => {
    const { manifest } = await convert(digits.model, { method: 'dynamic-int8', labels: digits.labels });
    const exact = await convert(digits.model);
    expect(exact.manifest.artifact.model.sizeBytes / manifest.artifact.model.sizeBytes).toBeGreaterThan(3.9);
  });

  it.each(['onnx', 'tflite'])(
    'are held by static int8 to rows that it has not learnt from, where there are enough: %s',
    async (target) => {
      const folder = mkdtempSync(join(tmpdir(), 'modelmile-halves-'));
      try {
        // Every other row is a hundred times brighter than what the rest shows.
        const random = seededRandom(7);
        const row = (i: number) => Array.from({ length: 784 }, () => random() * (i % 2 === 0 ? 0.01 : 1));
        const convertBy = (rows: number) => {
          const calibration = join(folder, `${rows}.jsonl`);
          const lines = Array.from({ length: rows }, (_, i) => JSON.stringify({ input: row(i) }));
          writeFileSync(calibration, lines.join('\n'));
          return convert(digits.model, { target, method: 'static-int8', calibration });
        };
        const { manifest } = await convertBy(63);
        expect(manifest.parity.maxRelError).toBeLessThan(0.05);
        await expect(convertBy(64)).rejects.toThrow(/'static-int8' moves the answers by/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('get no auto for a target that the runtime does not measure', async () => {
    const options = { method: 'auto', target: 'tflite', labels: digits.labels };
    await expect(convert(digits.model, options)).rejects.toThrow(
      /'auto' measures on the runtime that serves.*name a method of 'tflite'/,
    );
  });

  it('get at least 3 times smaller by auto with at most half a point to lose', async () => {
    const { chosen, candidates } = await chooseMethod(digits.model, {
      labels: digits.labels,
      budget: { accuracyPoints: 0.5 },
    });
    expect(candidates.map(({ method }) => method)).toEqual(Object.keys(methods));
    expect(readFileSync(digits.model).length / chosen.sizeBytes!).toBeGreaterThan(3);
    expect(candidates[0]!.accuracy! - chosen.accuracy!).toBeLessThanOrEqual(0.005);
    // Served row by row it is as fast with one row, and several times slower with sixteen.
    const dynamic = candidates.find(({ method }) => method === 'dynamic-int8');
    expect(dynamic!.why).toMatch(/^slower than float32 with sixteen rows/);
  }, 60_000);

  it('are not pruned beyond what may be lost', async () => {
    const options = { prune: 'structured:0.5', labels: digits.labels, budget: { accuracyPoints: 0.5 } };
    await expect(convert(digits.model, options)).rejects.toThrow(/points of accuracy, allowed are 0.5/);
    await expect(convert(digits.model, { budget: { accuracyPoints: 1 } })).rejects.toThrow(/--labels/);
  });

  it('are converted once where nothing is lost that a budget could hold', async () => {
    const steps: string[] = [];
    const onProgress = (step: string) => steps.push(step);
    await convert(digits.model, { labels: digits.labels, budget: { accuracyPoints: 0 }, onProgress });
    expect(steps.filter((step) => step === 'reading')).toHaveLength(1);
  });
});
