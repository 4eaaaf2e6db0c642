import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { classifier, scaledSum, several } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    classifier: { 1: classifier },
    sum: { 1: scaledSum(1), 2: scaledSum(2) },
    several: { 1: several },
  });
});
afterAll(() => server?.stop());

const call = (path: string, body?: unknown, options?: Parameters<typeof ask>[2]) =>
  ask(server.rest + path, body, options);
const x = (data: unknown, shape = [1, 2]) => ({ name: 'x', shape, datatype: 'FP32', data });
const lengthHeader = 'inference-header-content-length';

/** A body of JSON and what follows it. */
function binary(json: unknown, ...data: Uint8Array[]) {
  const head = Buffer.from(JSON.stringify(json));
  return { body: Buffer.concat([head, ...data]), headers: { [lengthHeader]: String(head.length) } };
}
const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);

describe('the server and its models', () => {
  it('says who it is and what it offers', async () => {
    const { json } = await call('/v2');
    expect(json.name).toBe('modelmile');
    expect(json.extensions).toEqual(
      expect.arrayContaining(['binary_tensor_data', 'model_repository', 'statistics']),
    );
    for (const path of [
      '/v2/health/live',
      '/v2/health/ready',
      '/v2/models/sum/ready',
      '/v2/models/sum/versions/2/ready',
    ]) {
      expect([path, (await call(path)).status]).toEqual([path, 200]);
    }
    expect((await call('/v2/models/sum/versions/1/ready')).status).toBe(404);
  });

  it('describes a model', async () => {
    expect((await call('/v2/models/several')).json).toEqual({
      name: 'several',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [-1, 2] },
        { name: 'b', datatype: 'INT64', shape: [-1, 2] },
        { name: 't', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [
        { name: 'sum', datatype: 'FP32', shape: [-1, 2] },
        { name: 'text_bytes', datatype: 'BYTES', shape: [-1] },
      ],
    });
  });

  it.each([
    ['GET', '/v2/models/nope', 404],
    ['GET', '/v2/models/sum/versions/9', 404],
    ['GET', '/v2/models/sum/versions/x', 400],
    ['GET', '/v2/models/sum/infer', 405],
    ['POST', '/v2/models/sum', 405],
    ['GET', '/v2/repository/index', 405],
    ['GET', '/v2/models/sum/other', 404],
    ['GET', '/v2/other', 404],
    ['GET', '/v2/models/constructor', 404],
    ['POST', '/v2/models/nope/infer', 404],
  ])('%s %s is refused as %i', async (method, path, status) => {
    const answer = await call(path, method === 'POST' ? {} : undefined);
    expect(answer.status).toBe(status);
    expect(typeof answer.json.error).toBe('string');
  });

  it('counts what was answered', async () => {
    await call('/v2/models/classifier/infer', {
      inputs: [{ ...x([1, 2, 3, 4, 5, 6, 7, 8]), shape: [2, 4] }],
    });
    const { json } = await call('/v2/models/classifier/stats');
    expect(json.model_stats).toHaveLength(1);
    expect(json.model_stats[0]).toMatchObject({
      name: 'classifier',
      version: '1',
      inference_count: 2,
      execution_count: 1,
    });
    expect(json.model_stats[0].inference_stats.success.count).toBe(1);
    expect(json.model_stats[0].inference_stats.compute_infer.ns).toBeGreaterThan(0);
    expect((await call('/v2/models/nope/stats')).status).toBe(404);
  });

  it('lists its repository, and loads nothing at the wish of a request unless the settings allow it', async () => {
    const index = await call('/v2/repository/index', {});
    expect(
      index.json
        .map(({ name, version, state }: Record<string, string>) => `${name} ${version} ${state}`)
        .sort(),
    ).toEqual(['classifier 1 READY', 'several 1 READY', 'sum 2 READY']);
    expect((await call('/v2/repository/models/sum/unload', {})).status).toBe(403);
    expect((await call('/v2/models/sum/ready')).status).toBe(200);
  });
});

describe('infer', () => {
  it('takes flat and nested data, whatever the order of the keys, and gives the id back', async () => {
    const flat = await call('/v2/models/sum/infer', { id: 'my id', inputs: [x([1, 2, 3, 4], [2, 2])] });
    const expected = { name: 'y', datatype: 'FP32', shape: [2, 1], data: [6, 14] };
    expect(flat.json).toEqual({ id: 'my id', model_name: 'sum', model_version: '2', outputs: [expected] });
    const nested = '{"inputs":[{"data":[[1,2],[3,4]],"shape":[2,2],"datatype":"FP32","name":"x"}]}';
    expect((await call('/v2/models/sum/infer', nested)).json).toEqual({
      model_name: 'sum',
      model_version: '2',
      outputs: [expected],
    });
  });

  it('gives the outputs that are wanted, in their order', async () => {
    const inputs = [
      { name: 'a', shape: [1, 2], datatype: 'FP32', data: [1, 2] },
      { name: 'b', shape: [1, 2], datatype: 'INT64', data: [1, 2] },
      { name: 't', shape: [1], datatype: 'BYTES', data: ['z'] },
    ];
    const wanted = async (outputs: unknown) =>
      (await call('/v2/models/several/infer', { inputs, outputs })).json.outputs.map(
        ({ name }: { name: string }) => name,
      );
    expect(await wanted([{ name: 'text_bytes' }, { name: 'sum' }])).toEqual(['text_bytes', 'sum']);
    expect(await wanted([{ name: 'sum' }])).toEqual(['sum']);
    // None named is none chosen, as over gRPC.
    expect(await wanted([])).toEqual(['sum', 'text_bytes']);
    expect((await call('/v2/models/several/infer', { inputs, outputs: [{ name: 'other' }] })).status).toBe(
      400,
    );
  });

  it('mixes JSON and binary data, inputs and outputs, in the order of the JSON', async () => {
    const { body, headers } = binary(
      {
        inputs: [
          { name: 'a', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } },
          { name: 'b', shape: [1, 2], datatype: 'INT64', data: [10, 20] },
          { name: 't', shape: [1], datatype: 'BYTES', parameters: { binary_data_size: 6 } },
        ],
        outputs: [
          { name: 'text_bytes', parameters: { binary_data: true } },
          { name: 'sum', parameters: { binary_data: false } },
        ],
      },
      floats(1.5, 2.5),
      Buffer.from([2, 0, 0, 0, 0x68, 0x69]),
    );
    const answer = await call('/v2/models/several/infer', body, { headers });
    const length = Number(answer.headers.get(lengthHeader));
    const json = JSON.parse(answer.bytes.toString('utf8', 0, length));
    expect(json.outputs).toEqual([
      { name: 'text_bytes', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 6 } },
      { name: 'sum', datatype: 'FP32', shape: [1, 2], data: [11.5, 22.5] },
    ]);
    expect(answer.bytes.subarray(length)).toEqual(Buffer.from([2, 0, 0, 0, 0x68, 0x69]));
  });

  it('takes a body of nothing but the data of the one input', async () => {
    const answer = await call('/v2/models/sum/infer', floats(1, 2, 3, 4), {
      headers: { [lengthHeader]: '0' },
    });
    const length = Number(answer.headers.get(lengthHeader));
    expect(answer.bytes.subarray(length)).toEqual(floats(6, 14));
    expect(
      (await call('/v2/models/sum/infer', floats(1, 2, 3), { headers: { [lengthHeader]: '0' } })).status,
    ).toBe(400);
  });

  it('gives the best classes where they are wanted', async () => {
    const input = { name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] };
    const all = (await call('/v2/models/classifier/infer', { inputs: [input] })).json.outputs[0]
      .data as number[];
    const { json } = await call('/v2/models/classifier/infer', {
      inputs: [input],
      outputs: [{ name: 'scores', parameters: { classification: 2 } }],
    });
    const ranked = all.map((score, index) => ({ score, index })).sort((a, b) => b.score - a.score);
    expect(json.outputs[0]).toEqual({
      name: 'scores',
      datatype: 'BYTES',
      shape: [1, 2],
      data: ranked
        .slice(0, 2)
        .map(({ score, index }) => `${score.toFixed(6)}:${index}:${['red', 'green', 'blue'][index]}`),
    });
  });

  it.each([
    ['', 'The document is empty'],
    ['[]', 'must be an object'],
    ['{"inputs":[', 'JSON Parse error'],
    ['{}', "'inputs' must be a list"],
    ['{"inputs":[]}', "'inputs' must be a list"],
    [{ inputs: [{ ...x([1, 2]), datatype: 'FLOAT' }] }, "datatype 'FLOAT' is none of BOOL"],
    [{ inputs: [{ ...x([1, 2]), datatype: 'INT32' }] }, 'expected type float32, got int32'],
    [{ inputs: [x([1, 2, 3])] }, 'shape [1,2] holds 2 values, data has 3'],
    [{ inputs: [x([1, 2], [2, 1])] }, 'expected shape [-1,2], got [2,1]'],
    [{ inputs: [x([1, 2], [-1, 2])] }, 'shape must be a list of sizes'],
    [{ inputs: [x([1, 'a'])] }, 'not of expected type: float32; at inputs[0].data[1]'],
    [{ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32' }] }, 'neither data nor binary_data_size'],
    [{ inputs: [{ ...x([1, 2]), parameters: { binary_data_size: 8 } }] }, 'both data and binary_data_size'],
    [
      { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } }] },
      '0 bytes of binary data left',
    ],
    [{ inputs: [x([1, 2])], parameters: 5 }, "'parameters' must be an object"],
    [{ inputs: [x([1, 2])], outputs: [{}] }, 'must have a name'],
    [{ inputs: [x([1, 2])], id: 7 }, 'expected type: string; at id'],
  ])('refuses %j and says why, with a request that works', async (body, text) => {
    const answer = await call('/v2/models/sum/infer', body);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain(text);
    const example = /A request that works: (\{.*\})/.exec(answer.json.error)?.[1] as string;
    expect((await call('/v2/models/sum/infer', example)).status).toBe(200);
  });

  it.each(['-1', 'x', '99999', '1e1', ''])('refuses the length %j of the JSON', async (length) => {
    const { body } = binary({ inputs: [x([1, 2])] });
    expect((await call('/v2/models/sum/infer', body, { headers: { [lengthHeader]: length } })).status).toBe(
      400,
    );
  });

  it('remembers what the JSON says of binary data, and nothing of the data', async () => {
    const input = { name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } };
    const ask = (id: string, ...data: number[]) => {
      const { body, headers } = binary({ id, inputs: [input] }, floats(...data));
      return call('/v2/models/sum/infer', body, { headers });
    };
    const told = async (id: string, ...data: number[]) => {
      const { json } = await ask(id, ...data);
      return [json.id, ...json.outputs[0].data];
    };
    expect(await told('a', 1, 2)).toEqual(['a', 6]);
    expect(await told('a', 3, 4)).toEqual(['a', 14]);
    expect(await told('b', 3, 4)).toEqual(['b', 14]);
    expect((await ask('b', 3)).status).toBe(400);
    expect((await ask('b', 3, 4, 5)).status).toBe(400);
    expect(await Promise.all([told('b', 1, 1), told('b', 2, 2), told('c', 3, 3)])).toEqual([
      ['b', 4],
      ['b', 8],
      ['c', 12],
    ]);
  });

  it('refuses binary data that no input claims', async () => {
    const { body, headers } = binary({ inputs: [x([1, 2])] }, floats(1));
    const answer = await call('/v2/models/sum/infer', body, { headers });
    expect(answer.json.error).toContain('belong to no input');
  });
});
