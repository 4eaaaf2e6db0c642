import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dataTypes } from '../../../conversion/manifest/index.ts';
import { arrayTypes, type TensorValue } from '../../../serving/engine/tensor.ts';
import { grpcProtocols, restProtocols } from '../../../serving/protocols/index.ts';
import { classifier, everyType, scaledSum, several } from '../support/models.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { seeded } from '../wire/numbers.ts';
import { type Call, callers, type Outcome } from './callers.ts';

const maxBodyBytes = 200_000;
let server: TestServer;
beforeAll(async () => {
  server = await startServer(
    {
      classifier: { 1: classifier },
      several: { 1: several },
      everytype: { 1: everyType },
      sum: { 1: scaledSum(1), 2: scaledSum(10) },
    },
    {
      models: ['classifier', 'several', 'everytype', 'sum'].map((name) => ({
        name,
        versionPolicy: { all: true },
      })),
      maxBodyBytes,
    },
  );
});
afterAll(() => server?.stop());

const float = (name: string, shape: readonly number[], values: readonly number[]): TensorValue => ({
  name,
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});

const sum = (rows: readonly number[]): Call => ({
  model: 'sum',
  inputs: [float('x', [rows.length / 2, 2], rows)],
  outputs: [{ name: 'y', dtype: 'float32' }],
});

const answered = (outcome: Outcome) => {
  if ('outputs' in outcome) return outcome;
  throw new Error(outcome.message);
};
const refused = (outcome: Outcome) => {
  if ('refused' in outcome) return outcome;
  throw new Error('it was answered');
};

describe('the table of protocols', () => {
  it('has no row that these cases do not run on', () => {
    // openapi describes the others and async-rest puts their requests off; neither runs a model.
    const rows = [...Object.keys(restProtocols), ...Object.keys(grpcProtocols)].filter(
      (row) => row !== 'openapi' && row !== 'async-rest',
    );
    expect([...new Set(callers.map(({ protocol }) => protocol))].sort()).toEqual(rows.sort());
  });

  it('gives bit for bit the same answer over every protocol', async () => {
    const random = seeded(11);
    for (const rows of [1, 3, 40]) {
      const values = Array.from({ length: rows * 4 }, () =>
        Math.fround((random() - 0.5) * 10 ** (random() * 6 - 3)),
      );
      const call: Call = {
        model: 'classifier',
        inputs: [float('x', [rows, 4], values)],
        outputs: [{ name: 'scores', dtype: 'float32' }],
      };
      const answers = await Promise.all(callers.map((caller) => caller.infer(server, call)));
      const first = answered(answers[0] as Outcome).outputs;
      expect(first['scores']?.shape).toEqual([rows, 3]);
      for (const answer of answers) expect(answered(answer).outputs).toEqual(first);
    }
  });
});

describe.each(callers)('$protocol ($way)', (caller) => {
  it('carries every element type there and back unchanged', async () => {
    const inputs = dataTypes.map((dtype): TensorValue => {
      const name = `in_${dtype}`;
      const shape = [3, 2];
      if (dtype === 'string') return { name, dtype, shape, data: ['a', '', 'é漢', '"\\', '\n', '\u{1f600}'] };
      if (dtype === 'bool') return { name, dtype, shape, data: Uint8Array.of(0, 1, 1, 0, 0, 1) };
      if (dtype === 'float16')
        return { name, dtype, shape, data: Uint16Array.of(0, 0x8000, 0x3c00, 0x7bff, 1, 0x3555) };
      if (dtype === 'float32' || dtype === 'float64') {
        const values = [0, -0, 0.1, -1e-40, 3.4e38, caller.isText ? Infinity : NaN];
        return { name, dtype, shape, data: arrayTypes[dtype].from(values) };
      }
      // JSON readers of this test keep 53 bits; longer ones are the scanner's tests'.
      const most = caller.isText ? 2 ** 53 - 1 : Number.POSITIVE_INFINITY;
      const ArrayOf = arrayTypes[dtype] as unknown as {
        from(values: bigint[] | number[]): Float32Array;
        BYTES_PER_ELEMENT: number;
      };
      const bits = BigInt(ArrayOf.BYTES_PER_ELEMENT * 8 - (dtype.startsWith('u') ? 0 : 1));
      const top = Number((1n << bits) - 1n) > most ? BigInt(most) : (1n << bits) - 1n;
      const least = dtype.startsWith('u') ? 0n : -top - (caller.isText ? 0n : 1n);
      const values = [0n, 1n, top, least, 42n, top - 1n];
      return {
        name,
        dtype,
        shape,
        data: ArrayOf.from(dtype.endsWith('64') ? values : (values.map(Number) as never)),
      };
    });
    const outputs = dataTypes.map((dtype) => ({ name: `out_${dtype}`, dtype }));
    const { outputs: got } = answered(await caller.infer(server, { model: 'everytype', inputs, outputs }));
    for (const { name, dtype, data } of inputs) {
      const elements =
        dtype === 'string'
          ? (data as string[]).join('|')
          : Buffer.from((data as Float32Array).buffer as ArrayBuffer).toString('hex');
      expect([name, got[name.replace('in_', 'out_')]]).toEqual([name, { shape: [3, 2], elements }]);
    }
  });

  it('takes several inputs and gives several outputs', async () => {
    const inputs: TensorValue[] = [
      { name: 't', dtype: 'string', shape: [2], data: ['one', 'two'] },
      { name: 'b', dtype: 'int64', shape: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) },
      float('a', [2, 2], [0.5, 0.25, -1, 8]),
    ];
    const outputs = [
      { name: 'sum', dtype: 'float32' as const },
      { name: 'text_bytes', dtype: 'string' as const },
    ];
    const { outputs: got } = answered(await caller.infer(server, { model: 'several', inputs, outputs }));
    const expected = Buffer.from(Float32Array.of(1.5, 2.25, 2, 12).buffer).toString('hex');
    expect(got).toEqual({
      sum: { shape: [2, 2], elements: expected },
      text_bytes: { shape: [2], elements: 'one|two' },
    });
  });

  it('answers with the version that it is asked for, and with the latest where it is not', async () => {
    const bits = (value: number) => Buffer.from(Float32Array.of(value).buffer).toString('hex');
    for (const [version, factor] of [
      [undefined, 10],
      [1, 1],
      [2, 10],
    ] as const) {
      const call = { ...sum([1, 2]), ...(version !== undefined && { version }) };
      const { outputs } = answered(await caller.infer(server, call));
      expect(outputs['y']?.elements).toBe(bits(3 * factor));
    }
  });

  it('gives each answer a prediction id of its own, later ones greater', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index++)
      ids.push(answered(await caller.infer(server, sum([1, 2]))).predictionId);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...new Set(ids)].sort()).toEqual(ids);
  });

  it('gives each of many callers at once its own rows', async () => {
    const random = seeded(3);
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const rows = 1 + Math.floor(random() * 5);
        const values = Array.from({ length: 2 * rows }, (_, at) => index * 100 + at);
        const { outputs } = answered(await caller.infer(server, sum(values)));
        const expected = Float32Array.from(
          { length: rows },
          (_, row) => 10 * (values[2 * row]! + values[2 * row + 1]!),
        );
        expect(outputs['y']).toEqual({
          shape: [rows, 1],
          elements: Buffer.from(expected.buffer).toString('hex'),
        });
      }),
    );
  });

  it('refuses what the model does not take and says what it takes', async () => {
    const wrongShape = refused(
      await caller.infer(server, { ...sum([]), inputs: [float('x', [1, 3], [1, 2, 3])] }),
    );
    expect(wrongShape.refused).toBe('bad request');
    expect(wrongShape.message).toMatch(/\[-1,2\]/);
    const unknown = refused(await caller.infer(server, { ...sum([]), inputs: [float('z', [1, 2], [1, 2])] }));
    expect(unknown.refused).toBe('bad request');
    expect(unknown.message).toContain("'x'");
    const missing = refused(await caller.infer(server, { ...sum([1, 2]), model: 'several' }));
    expect(missing.refused).toBe('bad request');
  });

  it('refuses text that the runtime would cut or change', async () => {
    for (const text of ['a\0b', '\0']) {
      const inputs: TensorValue[] = [
        { name: 't', dtype: 'string', shape: [1], data: [text] },
        { name: 'b', dtype: 'int64', shape: [1, 2], data: BigInt64Array.of(1n, 2n) },
        float('a', [1, 2], [1, 2]),
      ];
      const call: Call = { model: 'several', inputs, outputs: [{ name: 'text_bytes', dtype: 'string' }] };
      const { refused: kind, message } = refused(await caller.infer(server, call));
      expect(kind).toBe('bad request');
      expect(message).toContain("Input 't': value 0 is no text");
    }
  });

  it('says that a model or a version is not there', async () => {
    expect(refused(await caller.infer(server, { ...sum([1, 2]), model: 'nope' })).refused).toBe('not found');
    expect(refused(await caller.infer(server, { ...sum([1, 2]), version: 9 })).refused).toBe('not found');
  });

  it('refuses a body beyond the limit and says the limit', async () => {
    const rows = maxBodyBytes / 2;
    const values = Array.from({ length: rows }, () => 0.123456);
    const { refused: reason, message } = refused(await caller.infer(server, sum(values)));
    expect(reason).toBe('too large');
    expect(message).toContain(String(maxBodyBytes));
  });
});
