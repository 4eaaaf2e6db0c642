import { describe, expect, it } from '@jest/globals';
import type { Signature, TensorSpec } from '../../../conversion/manifest/index.ts';
import type { Servable } from '../../../serving/engine/servable.ts';
import type { TensorValue } from '../../../serving/engine/tensor.ts';
import { ServingError } from '../../../serving/errors.ts';
import { parsePredict, renderPredict } from '../../../serving/protocols/tensorflow-rest/predict.ts';

const servable = (...inputs: TensorSpec[]) =>
  ({ signature: { inputs, outputs: [] } satisfies Signature, manifest: {} }) as unknown as Servable;
const x: TensorSpec = { name: 'x', dtype: 'float32', shape: [-1, 2] };
const n: TensorSpec = { name: 'n', dtype: 'int64', shape: [-1] };
const one = servable(x);
const two = servable(x, n);

function parse(of: Servable, body: unknown) {
  const { form, inputs } = parsePredict(
    of,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    'token',
  );
  return {
    form,
    inputs: Object.fromEntries(
      inputs.map(({ name, shape, data }) => [name, [...shape, Array.from(data as ArrayLike<unknown>)]]),
    ),
  };
}

function refusalOf(of: Servable, body: unknown): ServingError {
  try {
    parse(of, body);
  } catch (error) {
    if (error instanceof ServingError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a predict request of TensorFlow Serving', () => {
  it('comes as rows, bare or by name, as columns, bare or by name, or in the form of the article', () => {
    const bare = { x: [2, 2, [1, 2, 3, 4]] };
    const both = { ...bare, n: [2, [5n, 6n]] };
    const rows = [
      [1, 2],
      [3, 4],
    ];
    expect(parse(one, { instances: rows })).toEqual({ form: 'row', inputs: bare });
    expect(parse(one, { signature_name: 'serving_default', inputs: rows })).toEqual({
      form: 'column',
      inputs: bare,
    });
    expect(parse(one, { inputs: { x: rows } })).toEqual({ form: 'column', inputs: bare });
    expect(parse(one, { inputs: [{ data: [1, 2, 3, 4] }] })).toEqual({ form: 'column', inputs: bare });
    expect(parse(one, { inputs: [{ shape: [2, 2], data: [1, 2, 3, 4], name: 'x' }] }).inputs).toEqual(bare);
    expect(parse(one, { inputs: [{ data: rows }] }).inputs).toEqual(bare);
    expect(parse(one, { inputs: [{ data: rows, datatype: 'FP32' }] }).inputs).toEqual(bare);
    const byName = [
      { x: [1, 2], n: 5 },
      { n: 6, x: [3, 4] },
    ];
    expect(parse(two, { instances: byName })).toEqual({ form: 'row', inputs: both });
    expect(parse(two, { inputs: { n: [5, 6], x: rows } }).inputs).toEqual(both);
    expect(parse(two, { inputs: [{ data: [1, 2, 3, 4] }, { data: [5, 6] }] }).inputs).toEqual(both);
    expect(
      parse(two, {
        inputs: [
          { data: [5, 6], name: 'n' },
          { name: 'x', data: rows },
        ],
      }).inputs,
    ).toEqual(both);
  });

  it('carries bytes as base64', () => {
    const text = servable({ name: 's', dtype: 'string', shape: [-1] });
    const bytes = Buffer.from([0, 1]);
    expect(parse(text, { instances: [{ b64: 'AAE=' }, 'a'] }).inputs).toEqual({ s: [2, [bytes, 'a']] });
    expect(parse(text, { instances: [{ s: { b64: 'AAE=' } }] }).inputs).toEqual({ s: [1, [bytes]] });
    expect(parse(text, { inputs: { s: [{ b64: 'AAE=' }] } }).inputs).toEqual({ s: [1, [bytes]] });
  });

  it.each([
    ['', 'SERVING_BAD_JSON', 'JSON Parse error: The document is empty'],
    ['{"instances": [[1,2]]', 'SERVING_BAD_JSON', 'JSON Parse error'],
    ['{"instances": [[1,2]]} x', 'SERVING_BAD_JSON', 'offset 23'],
    ['[1]', 'SERVING_BAD_JSON', 'must be an object'],
    ['{}', 'SERVING_BAD_INPUT', "Missing 'inputs' or 'instances' key"],
    ['{"inputs": [[1,2]], "instances": [[1,2]]}', 'SERVING_BAD_INPUT', "Both 'inputs' and 'instances'"],
    ['{"instances": []}', 'SERVING_BAD_INPUT', 'at least one row'],
    ['{"instances": {"x": [1,2]}}', 'SERVING_BAD_INPUT', 'must be a list'],
    ['{"instances": [["a","b"]]}', 'SERVING_BAD_INPUT', 'not of expected type: float32'],
    ['{"instances": [[1,2],[3]]}', 'SERVING_BAD_INPUT', 'at instances[1]'],
    ['{"instances": [[1,2]], "signature_name": 5}', 'SERVING_BAD_SIGNATURE', 'must be a string'],
    ['{"signature_name": "other", "instances": [[1,2]]}', 'SERVING_BAD_SIGNATURE', 'not found'],
    ['{"inputs": {"y": [[1,2]]}}', 'SERVING_BAD_INPUT', "the model takes 'x'"],
    ['{"inputs": [{"data": [1,2,3]}]}', 'SERVING_BAD_INPUT', 'so 2 numbers a row, got 3'],
    ['{"inputs": [{"name": "x"}]}', 'SERVING_BAD_INPUT', 'data is missing'],
    ['{"inputs": [{"data": 1}]}', 'SERVING_BAD_INPUT', 'no list'],
    ['{"inputs": [{"data": [1,2], "datatype": "INT64"}]}', 'SERVING_BAD_INPUT', 'expected datatype FP32'],
  ])('%s is refused with the reason and a request that works', (body, code, text) => {
    const refusal = refusalOf(one, body);
    expect(refusal.code).toBe(code);
    expect(refusal.message).toContain(text);
    if (code !== 'SERVING_BAD_SIGNATURE') expect(() => parse(one, refusal.example as string)).not.toThrow();
  });

  it.each([
    ['{"instances": [{"b64": "AAE="}]}', 'instances[0], offset 15'],
    ['{"instances": [{"x": {"b64": "AAE="}}]}', 'instances[0].x, offset 21'],
    ['{"instances": [{"x": [1, { "b64" : "AAE="}]}]}', 'instances[0].x[1], offset 25'],
    ['{"inputs": {"b64": "AAE="}}', 'inputs, offset 11'],
    ['{"inputs": {"x": [[{"b64": "AAE="}]]}}', 'inputs.x[0][0], offset 19'],
  ])('%s is a picture to a model of numbers, which is told where pictures are declared', (body, place) => {
    expect(refusalOf(one, body).message).toBe(
      `JSON Value is not of expected type: float32; b64 is for text, and for inputs that are declared as pictures (docs/processing.md); at ${place}`,
    );
  });

  it("has TensorFlow Serving's words alone where a text or another object is no number", () => {
    for (const value of ['"b64"', '{"b": {"b64": "AAE="}}', '{"b64"']) {
      const { message } = refusalOf(one, `{"inputs": {"x": [${value}]}}`);
      expect(message).toBe('JSON Value is not of expected type: float32; at inputs.x[0], offset 18');
    }
  });

  it('is refused where rows differ from each other', () => {
    expect(refusalOf(two, { instances: [{ x: [1, 2], n: 1 }, { x: [1, 2] }] }).message).toContain('Row 1');
    expect(refusalOf(two, { instances: [{ x: [1, 2] }, { x: [1, 2], n: 1 }] }).message).toContain('Row 1');
    expect(refusalOf(two, '{"instances": [{"x": [1,2], "x": [1,2]}]}').message).toContain('Row 0');
    expect(refusalOf(one, { instances: [{ x: [1, 2] }, { x: [1] }] }).message).toContain('different shapes');
    expect(refusalOf(two, { instances: [[1, 2]] }).message).toContain('2 inputs');
  });
});

describe('an answer of TensorFlow Serving', () => {
  const a: TensorValue = {
    name: 'a',
    dtype: 'float32',
    shape: [2, 2],
    data: Float32Array.of(0.1, 1, NaN, -2),
  };
  const b: TensorValue = { name: 'b_bytes', dtype: 'string', shape: [2], data: ['x', 'y'] };

  it('is bare for one output and by name for several, by row or by column as it was asked', () => {
    expect(renderPredict('row', [a], 2, 'token')).toBe('{"predictions":[[0.1,1.0],[NaN,-2.0]]}');
    expect(renderPredict('column', [a], 2, 'token')).toBe('{"outputs":[[0.1,1.0],[NaN,-2.0]]}');
    expect(renderPredict('row', [a, b], 2, 'token')).toBe(
      '{"predictions":[{"a":[0.1,1.0],"b_bytes":{"b64":"eA=="}},{"a":[NaN,-2.0],"b_bytes":{"b64":"eQ=="}}]}',
    );
    expect(renderPredict('column', [a, b], 2, 'token')).toBe(
      '{"outputs":{"a":[[0.1,1.0],[NaN,-2.0]],"b_bytes":[{"b64":"eA=="},{"b64":"eQ=="}]}}',
    );
  });
});
