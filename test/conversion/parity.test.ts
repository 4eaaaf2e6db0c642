import { clone } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import type { KerasModel } from '../../conversion/keras/model.ts';
import { kerasToOnnx } from '../../conversion/keras/to-onnx.ts';
import type { LayerContext } from '../../conversion/layers/layer.ts';
import {
  type ModelProto,
  ModelProtoSchema,
  modelFiles,
  signatureOf,
  type ValueInfoProto,
} from '../../conversion/onnx/index.ts';
import { erf } from '../../conversion/verify/interpreter/functions.ts';
import { product, rectified, type Tensor } from '../../conversion/verify/interpreter/tensor.ts';
import { compare, kerasParity } from '../../conversion/verify/parity.ts';
import { isProduct, RuntimeProducts } from '../../conversion/verify/runtime-products.ts';
import { openShipped } from '../../conversion/verify/session.ts';

const dense = (name: string, units: number, activation: string) => ({
  class_name: 'Dense',
  config: { name, units, activation, use_bias: true },
});
const weights = (rows: number, columns: number, seed: number) => [
  {
    name: 'kernel',
    shape: [rows, columns],
    data: Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 7 + seed)),
  },
  {
    name: 'bias',
    shape: [columns],
    data: Float32Array.from({ length: columns }, (_, i) => Math.cos(i + seed)),
  },
];

const model: KerasModel = {
  kind: 'keras',
  dialect: 'keras-3',
  config: {
    class_name: 'Sequential',
    config: {
      name: 'net',
      layers: [
        { class_name: 'InputLayer', config: { name: 'x', batch_shape: [null, 6], dtype: 'float32' } },
        dense('first', 5, 'gelu'),
        dense('second', 4, 'hard_sigmoid'),
        dense('third', 3, 'softmax'),
      ],
    },
  } as KerasModel['config'],
  weights: new Map([
    ['first', weights(6, 5, 1)],
    ['second', weights(5, 4, 2)],
    ['third', weights(4, 3, 3)],
  ]),
};

const shipped = (onnx: ModelProto) => ({
  model: onnx,
  open: (added: readonly ValueInfoProto[]) => openShipped(modelFiles(onnx, 'model.onnx'), added),
  signature: signatureOf(onnx, 'net'),
});

describe('the parity gate', () => {
  it('passes a faithful conversion', async () => {
    const conversion = kerasToOnnx(model);
    const { signature, ...candidate } = shipped(conversion.model);
    const parity = await kerasParity(model, { ...conversion, ...candidate }, signature, 1);
    expect(parity.passed).toBe(true);
    expect(parity.maxRelError).toBeLessThan(1e-5);
  });

  it.each(['first', 'second', 'third'])(
    'stops a conversion whose weights of layer %s are off, and names the layer',
    async (layer) => {
      const conversion = kerasToOnnx(model);
      const broken = clone(ModelProtoSchema, conversion.model);
      const kernel = broken.graph!.initializer.find((tensor) => tensor.name === `${layer}/kernel`)!;
      kernel.rawData = kernel.rawData.slice();
      kernel.rawData.subarray(0, 4).fill(63);
      const { signature, ...candidate } = shipped(broken);
      await expect(kerasParity(model, { ...conversion, ...candidate }, signature, 1)).rejects.toMatchObject({
        code: 'CONVERSION_PARITY_FAILED',
        message: expect.stringContaining(`'${layer}'`),
      });
    },
  );

  it('stops a conversion that gives fewer outputs than the config', async () => {
    const config = { name: 'last', units: 2, return_state: true, trainable: true };
    const shapes = { kernel: [6, 2], recurrent_kernel: [2, 2], bias: [2] };
    const source: KerasModel = {
      ...model,
      config: {
        class_name: 'Sequential',
        config: {
          name: 'net',
          layers: [
            { class_name: 'InputLayer', config: { name: 'x', batch_shape: [null, 3, 6], dtype: 'float32' } },
            { class_name: 'SimpleRNN', config },
          ],
        },
      },
      weights: new Map([
        [
          'last',
          Object.entries(shapes).map(([name, shape]) => {
            const size = shape.reduce((a, b) => a * b, 1);
            return { name: `cell/${name}`, shape, data: new Float32Array(size).fill(0.5) };
          }),
        ],
      ]),
    };
    const conversion = kerasToOnnx(source);
    const gate = async (onnx: ModelProto) => {
      const { signature, ...candidate } = shipped(onnx);
      return kerasParity(source, { ...conversion, ...candidate }, signature, 1);
    };
    expect(await gate(conversion.model)).toMatchObject({ passed: true });
    const broken = clone(ModelProtoSchema, conversion.model);
    broken.graph!.output.pop();
    await expect(gate(broken)).rejects.toMatchObject({
      code: 'CONVERSION_PARITY_FAILED',
      message: expect.stringContaining('has 1 outputs, by its config it has 2'),
    });
  });

  it.each([
    ['not its first', 'float32', 1],
    ['of whole numbers', 'int32', 0],
  ])('names the layer of which an output is off: %s', async (_, dtype, taken) => {
    const tensor = (layer: string, output = 0) => ({
      class_name: '__keras_tensor__',
      config: { shape: [null, 6], dtype, keras_history: [layer, 0, output] },
    });
    const on = (...args: object[]) => [{ args, kwargs: {} }];
    const input = { name: 'x', batch_shape: [null, 6], dtype };
    const end = dense('end', 3, 'linear');
    const source: KerasModel = {
      ...model,
      config: {
        class_name: 'Functional',
        config: {
          name: 'net',
          layers: [
            { class_name: 'InputLayer', config: input, name: 'x', inbound_nodes: [] },
            { class_name: 'Pair', config: { name: 'pair' }, name: 'pair', inbound_nodes: on(tensor('x')) },
            { ...end, name: 'end', inbound_nodes: on(tensor('pair', taken)) },
          ],
          input_layers: [['x', 0, 0]],
          output_layers: [['end', 0, 0]],
        },
      } as KerasModel['config'],
      weights: new Map([['end', weights(6, 3, 1)]]),
    };
    /** The input and its double; what is taken is off by 1 in the conversion. */
    const custom = {
      Pair: {
        convert: ({ graph, inputs }: LayerContext) => {
          const [x] = inputs as [LayerContext['inputs'][0]];
          const View = dtype === 'int32' ? Int32Array : Float32Array;
          const sum = (b: typeof x, name: string) => graph.node('Add', [x, b], { name, shape: x.shape });
          const one = graph.constant('one', x.dtype, [], View.of(1));
          const both = [sum(graph.constant('none', x.dtype, [], View.of(0)), 'same'), sum(x, 'double')];
          return both.map((y, i) =>
            i === taken ? graph.node('Add', [y, one], { name: 'off', shape: x.shape }) : y,
          );
        },
        reference: ({ inputs }: { inputs: readonly Tensor[] }) =>
          [1, 2].map((factor) => ({ ...inputs[0]!, data: inputs[0]!.data.map((value) => factor * value) })),
      },
    };
    const conversion = kerasToOnnx(source, custom);
    const { signature, ...candidate } = shipped(conversion.model);
    await expect(
      kerasParity(source, { ...conversion, ...candidate }, signature, 1, custom),
    ).rejects.toMatchObject({
      code: 'CONVERSION_PARITY_FAILED',
      message: expect.stringContaining("the first layer that differs is 'pair'"),
    });
  });

  it('compares as many outputs as there are', () => {
    const one: Tensor = { shape: [1], data: Float64Array.of(1) };
    const failure = expect.objectContaining({ code: 'CONVERSION_PARITY_FAILED' });
    expect(() => compare([one], [one, one], { relativeError: 1 }, 0)).toThrow(failure);
    expect(() => compare([one, one], [one], { relativeError: 1 }, 0)).toThrow(failure);
  });
});

describe('an output that is nothing but zeros', () => {
  const tensor = (...values: number[]): Tensor => ({
    shape: [values.length],
    data: Float64Array.from(values),
  });
  const passes = (actual: Tensor, expected: Tensor) =>
    compare([actual], [expected], { relativeError: 1e-5, zeroError: 1e-7 }, 0).passed;

  it('may be off by what float32 leaves of the numbers that cancelled, and by no more', () => {
    expect(passes(tensor(0, 1e-8), tensor(0, 0))).toBe(true);
    expect(passes(tensor(0, 2e-7), tensor(0, 0))).toBe(false);
    expect(passes(tensor(0, Number.NaN), tensor(0, 0))).toBe(false);
  });

  it('is the only one: any other is judged by its own size', () => {
    expect(passes(tensor(1e-8, 1e-6), tensor(0, 1e-6))).toBe(false);
  });

  it('passes where it is the variance of a constant, with what rounding leaves', async () => {
    const tensorOf = (name: string, shape: (number | null)[]) => ({
      class_name: '__keras_tensor__',
      config: { shape, dtype: 'float32', keras_history: [name, 0, 0] },
    });
    const config = {
      class_name: 'Functional',
      config: {
        name: 'net',
        layers: [
          { class_name: 'InputLayer', config: { name: 'x', batch_shape: [null, 6], dtype: 'float32' } },
          {
            class_name: 'RepeatVector',
            config: { name: 'again', n: 7, trainable: true, dtype: 'float32' },
            inbound_nodes: [{ args: [tensorOf('x', [null, 6])], kwargs: {} }],
          },
          {
            class_name: 'Var',
            config: { name: 'var', axis: 1, keepdims: false },
            module: 'keras.src.ops.numpy',
            inbound_nodes: [{ args: [tensorOf('again', [null, 7, 6])], kwargs: {} }],
          },
        ],
        input_layers: [['x', 0, 0]],
        output_layers: [['var', 0, 0]],
      },
    } as unknown as KerasModel['config'];
    const source: KerasModel = { kind: 'keras', dialect: 'keras-3', config, weights: new Map() };
    const conversion = kerasToOnnx(source);
    const { signature, ...candidate } = shipped(conversion.model);
    const parity = await kerasParity(source, { ...conversion, ...candidate }, signature, 1);
    expect(parity.passed).toBe(true);
    expect(parity.maxAbsError).toBeGreaterThan(0);
    expect(parity.maxAbsError).toBeLessThan(parity.tolerance);
  });
});

describe('the reference', () => {
  it('knows the error function to 1e-14', () => {
    // Abramowitz and Stegun, table 7.1, extended; erf is odd.
    const table = [
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2, 0.9953222650189527],
      [3.5, 0.9999992569016276],
    ] as const;
    for (const [x, y] of table) {
      expect(Math.abs(erf(x) - y)).toBeLessThan(1e-14);
      expect(erf(-x)).toBe(-erf(x));
    }
  });

  it('rectifies every number, those without end and the smallest included', () => {
    const { MAX_VALUE, MIN_VALUE } = Number;
    const data = Float64Array.of(-Infinity, -MAX_VALUE, -0, MIN_VALUE, 7, MAX_VALUE, Infinity, Number.NaN);
    const relu = (high?: number) => [...rectified({ shape: [data.length], data }, high).data];
    expect(relu()).toEqual([0, 0, 0, MIN_VALUE, 7, MAX_VALUE, Infinity, Number.NaN]);
    expect(relu(6)).toEqual([0, 0, 0, MIN_VALUE, 6, 6, 6, Number.NaN]);
  });
});

describe("the check of the runtime's products", () => {
  const matrix = (rows: number, columns: number, seed: number): Tensor => ({
    shape: [rows, columns],
    data: Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 7.3 + seed)),
  });
  const [a, b] = [matrix(4, 5, 0), matrix(5, 6, 1)];
  const right = product(a, b);
  const passes = (changes: Readonly<Record<number, number>>) =>
    isProduct({ ...right, data: Object.assign(right.data.slice(), changes) }, { a, b });

  it('passes a right one', () => expect(passes({})).toBe(true));

  it.each([
    ['a wrong number', { 1: 5 }],
    ['a small mistake', { 23: right.data[23]! + 1e-6 }],
    ['NaN in the first row', { 1: Number.NaN }],
    ['NaN in the last row', { 23: Number.NaN }],
    ['a wrong number before NaN', { 0: 5, 7: Number.NaN }],
    ['infinity', { 3: Number.POSITIVE_INFINITY }],
  ])('stops one with %s', (_, changes) => expect(passes(changes)).toBe(false));

  it('has one product after the other laid out in the same memory', async () => {
    const products = new RuntimeProducts();
    const laid = ({ shape, data }: Tensor) => ({
      shape,
      layInto: (memory: Float64Array) => memory.set(data),
    });
    for (const [rows, inner, columns] of [
      [128, 96, 128],
      [64, 300, 64],
      [110, 110, 110],
    ] as const) {
      const [p, q] = [matrix(rows, inner, 2), matrix(inner, columns, 3)];
      const { shape, data } = await products.multiply({ a: laid(p), b: laid(q) });
      expect(shape).toEqual([rows, columns]);
      const naive = product(p, q).data;
      expect(Math.max(...data.map((value, i) => Math.abs(value - naive[i]!)))).toBeLessThan(1e-11);
    }
    await products.release();
  });
});

it('ONNX Runtime is told to report to nobody, before it is loaded', () =>
  expect(process.env['ORT_DISABLE_TELEMETRY']).toBe('1'));
