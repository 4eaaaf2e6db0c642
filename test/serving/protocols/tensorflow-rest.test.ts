import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { classifier, scaledSum, several } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer(
    { classifier: { 1: classifier }, sum: { 1: scaledSum(1), 3: scaledSum(3) }, several: { 7: several } },
    {
      models: [
        { name: 'classifier' },
        { name: 'several' },
        { name: 'sum', versionPolicy: { all: true }, versionLabels: { stable: 1, canary: 3 } },
      ],
    },
  );
});
afterAll(() => server?.stop());

const call = (path: string, body?: unknown, options?: Parameters<typeof ask>[2]) =>
  ask(server.rest + path, body, options);
const row = { instances: [[1, 2]] };

describe("TensorFlow Serving's paths", () => {
  it.each([
    ['/v1/models/sum:predict', 9],
    ['/v1/models/sum/versions/1:predict', 3],
    ['/v1/models/sum/versions/3:predict', 9],
    ['/v1/models/sum/labels/stable:predict', 3],
    ['/v1/models/sum/labels/canary:predict', 9],
    ['/V1/Models/sum/Versions/1:PREDICT', 3],
  ])('%s answers', async (path, value) => {
    const answer = await call(path, row);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.json).toEqual({ predictions: [[value]] });
  });

  it.each([
    ['POST', '/v1/models/nope:predict', 404, 'Servable not found for request: Latest(nope)'],
    ['POST', '/v1/models/sum/versions/2:predict', 404, 'Servable not found for request: Specific(sum, 2)'],
    ['POST', '/v1/models/sum/labels/other:predict', 400, 'Unrecognized servable version label'],
    ['POST', '/v1/models/sum:guess', 400, 'Malformed request'],
    ['POST', '/v1/models/sum', 400, 'Malformed request'],
    ['GET', '/v1/models/sum:predict', 400, 'Malformed request'],
    ['GET', '/v1/models', 400, 'Missing model name in request.'],
    ['GET', '/v1/models/nope', 404, 'Could not find any versions of model nope'],
    ['GET', '/v1/models/sum/versions/x', 400, 'Malformed request'],
    ['GET', '/v1/models/%zz', 400, 'percent-encoded'],
    ['GET', '/nothing', 404, 'Malformed request'],
  ])('%s %s is refused as %i', async (method, path, status, text) => {
    const answer = await call(path, method === 'POST' ? row : undefined);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.json.error).toContain(text);
  });
});

describe('status and metadata', () => {
  it('gives the state of every version, or of one, with the version as text', async () => {
    const available = (version: string) => ({
      version,
      state: 'AVAILABLE',
      status: { error_code: 'OK', error_message: '' },
    });
    expect((await call('/v1/models/sum')).json).toEqual({
      model_version_status: [available('3'), available('1')],
    });
    expect((await call('/v1/models/sum/versions/1')).json).toEqual({
      model_version_status: [available('1')],
    });
    expect((await call('/v1/models/sum/labels/canary')).json).toEqual({
      model_version_status: [available('3')],
    });
  });

  it('gives the signatures', async () => {
    const { json } = await call('/v1/models/several/metadata');
    expect(json.model_spec).toEqual({ name: 'several', signature_name: '', version: '7' });
    const { inputs, outputs, method_name } = json.metadata.signature_def.signature_def.serving_default;
    expect(method_name).toBe('tensorflow/serving/predict');
    expect(Object.keys(outputs)).toEqual(['sum', 'text_bytes']);
    expect(inputs.b).toEqual({
      dtype: 'DT_INT64',
      tensor_shape: {
        dim: [
          { size: '-1', name: '' },
          { size: '2', name: '' },
        ],
        unknown_rank: false,
      },
      name: 'b:0',
    });
  });
});

describe('predict', () => {
  it('answers the request of the article, and says what was expected where it does not fit', async () => {
    const wrong = await call('/v1/models/sum:predict', { inputs: [{ data: [0.1, 0.2, 0.3, 0.4, 0.5] }] });
    expect(wrong.status).toBe(400);
    expect(wrong.json.error).toContain('so 2 numbers a row, got 5');
    const example = /A request that works: (\{.*\})/.exec(wrong.json.error)?.[1] as string;
    expect((await call('/v1/models/sum:predict', example)).status).toBe(200);
    const right = await call('/v1/models/sum:predict', { inputs: [{ data: [0.5, 0.25, 1, 2] }] });
    expect(right.json).toEqual({ outputs: [[2.25], [9]] });
  });

  it('takes gzip bodies', async () => {
    const answer = await call('/v1/models/sum:predict', gzipSync(JSON.stringify(row)), {
      headers: { 'content-encoding': 'gzip' },
    });
    expect(answer.json).toEqual({ predictions: [[9]] });
    const broken = await call('/v1/models/sum:predict', Buffer.from('no gzip'), {
      headers: { 'content-encoding': 'gzip' },
    });
    expect(broken.status).toBe(400);
  });

  it.each([
    ['GZIP', gzipSync, 200],
    ['x-gzip', gzipSync, 200],
    ['deflate', deflateSync, 200],
    ['identity', (text: string) => Buffer.from(text), 200],
    ['br', gzipSync, 400],
  ] as const)('answers a body in %s', async (encoding, pack, status) => {
    const headers = { 'content-encoding': encoding };
    const answer = await call('/v1/models/sum:predict', pack(JSON.stringify(row)), { headers });
    expect(answer.status).toBe(status);
    if (status === 200) expect(answer.json).toEqual({ predictions: [[9]] });
    else expect(answer.text).toContain('Content-Encoding is br, this server unpacks gzip and deflate');
  });

  it('takes and gives NaN and Infinity as bare words', async () => {
    const answer = await call(
      '/v1/models/sum:predict',
      '{"instances": [[NaN, 1], [Infinity, 1], [-Infinity, 0]]}',
    );
    expect(answer.text).toBe('{"predictions":[[NaN],[Infinity],[-Infinity]]}');
  });

  it('takes base64 where the model takes strings, and gives outputs named *_bytes so', async () => {
    const instances = [{ a: [1, 2], b: [3, 4], t: { b64: Buffer.from('hé').toString('base64') } }];
    const { json } = await call('/v1/models/several:predict', { instances });
    expect(json).toEqual({
      predictions: [{ sum: [4, 6], text_bytes: { b64: Buffer.from('hé').toString('base64') } }],
    });
  });

  it.each([
    ['', 'JSON Parse error: The document is empty'],
    ['{"instances": [[1, 2}', 'JSON Parse error'],
    ['{"instances": [["1", 2]]}', 'not of expected type: float'],
    ['{"instances": [[1, 2]], "signature_name": "x"}', 'Serving signature name: "x" not found'],
    ['{"instances": [[1, 2]], "signature_name": 1}', "'signature_name' key must be a string value"],
  ])('refuses %s with the words of TensorFlow Serving', async (body, text) => {
    const answer = await call('/v1/models/sum:predict', body, { method: 'POST' });
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain(text);
  });
});

describe('classify and regress', () => {
  it('show a request that they themselves answer', async () => {
    for (const path of ['/v1/models/classifier:classify', '/v1/models/sum:regress']) {
      const { error } = (await call(path, {})).json as { error: string };
      const example = JSON.parse(error.slice(error.indexOf('{"examples"')));
      expect((await call(path, example)).status).toBe(200);
    }
  });

  it('answer `results` with labels and scores, or values', async () => {
    const examples = [{ x: [1, 2, 3, 4] }, { x: [4, 3, 2, 1], unknown: 5 }];
    const classified = await call('/v1/models/classifier:classify', { examples });
    const predicted = await call('/v1/models/classifier:predict', { instances: examples.map(({ x }) => x) });
    const labels = ['red', 'green', 'blue'];
    expect(classified.json).toEqual({
      results: predicted.json.predictions.map((scores: number[]) =>
        scores.map((score, index) => [labels[index], score]),
      ),
    });
    expect(classified.headers.get('x-modelmile-prediction-id')).toMatch(/^[0-9a-f-]{36}$/);
    const regressed = await call('/v1/models/sum/versions/1:regress', {
      context: { x: [1, 2] },
      examples: [{}, { x: [5, 6] }],
    });
    expect(regressed.json).toEqual({ results: [3, 11] });
  });

  it.each([
    ['sum:regress', { examples: [] }, 'Input is empty'],
    ['sum:regress', {}, "Missing 'examples' key"],
    ['sum:regress', { examples: [{ x: [1] }] }, "Example 0: feature 'x' must have 2 values, it has 1"],
    ['sum:regress', { examples: [{ y: [1] }] }, "feature 'x' must have 2 values, it has none"],
    ['classifier:regress', { examples: [{ x: [1, 2, 3, 4] }] }, 'Expected regression signature'],
    [
      'several:classify',
      { examples: [{ a: [1, 2], b: [1, 2], t: 'x' }] },
      'Expected classification signature',
    ],
  ])('%s refuses %j', async (path, body, text) => {
    const answer = await call(`/v1/models/${path}`, body);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain(text);
  });
});
