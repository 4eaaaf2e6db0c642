import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readServerState } from '../../../serving/contract/index.ts';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import { PredictionService } from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { growthOf } from '../support/growth.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { metricOf } from '../support/metrics.ts';
import { anyWidth, classifier, several } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const maxBodyBytes = 8 * 1024 * 1024;
let server: TestServer;
let pid: number;
beforeAll(async () => {
  server = await startServer(
    { classifier: { 1: classifier }, several: { 1: several }, wide: { 1: anyWidth } },
    { modelControl: true, maxBodyBytes },
  );
  pid = (await readServerState(server.settings.stateDir))?.workers[0]?.pid as number;
});
afterAll(() => server?.stop());

const right = JSON.stringify({ instances: [[1, 2, 3, 4]] });
const predict = (model: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(`${server.rest}/v1/models/${model}:predict`, body, { headers });
const infer = (body: unknown) => ask(`${server.rest}/v2/models/classifier/infer`, body);
const input = { name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] };

/** Statuses of what comes back for bytes on a connection of their own. */
function statusesOf(bytes: string, silenceMs = 300): Promise<number[]> {
  return new Promise((resolve) => {
    const socket = connect(server.state.rest.port, '127.0.0.1');
    let text = '';
    socket.on('data', (part) => {
      text += part.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () =>
      resolve([...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))),
    );
    socket.write(bytes, 'latin1');
    setTimeout(() => socket.destroy(), silenceMs);
  });
}

async function refusalOf(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => {
      throw new Error('it was answered');
    },
    (error: ServiceError) => error,
  );
}

afterEach(async () => {
  expect((await predict('classifier', right)).status).toBe(200);
});

describe('requests that name what every object has', () => {
  it.each([
    ['/v1/models/classifier:constructor', right, 400],
    ['/v1/models/classifier/labels/constructor:predict', right, 400],
    ['/v1/models/__proto__:predict', right, 404],
    ['/v2/models/classifier/constructor', '{}', 404],
    ['/v2/repository/models/__proto__/load', '{}', 404],
    ['/v2/repository/models/..%2f..%2fetc/load', '{}', 404],
    ['/v2/repository/models/..%2f..%2fetc/unload', '{}', 404],
    ['/v1/models/classifier:predict', '{"__proto__": {"instances": [[1, 2, 3, 4]]}}', 400],
    ['/v1/models/several:predict', '{"inputs": {"__proto__": [[1, 2]]}}', 400],
  ])('%s is refused', async (path, body, status) => {
    expect((await ask(server.rest + path, body)).status).toBe(status);
    // Not the fast way: node:http would end the process over an answer without a status.
    const other = { headers: { connection: 'close', 'content-encoding': 'gzip' } };
    expect((await ask(server.rest + path, gzipSync(body), other)).status).toBe(status);
  });

  it('are refused as outputs, too', async () => {
    for (const name of ['constructor', 'toString', '__proto__'])
      expect((await infer({ inputs: [input], outputs: [{ name }] })).status).toBe(400);
  });
});

describe('requests that ask for more than they send', () => {
  it('get a short answer at once, however long the text that it quotes', async () => {
    // A pattern that looks for dots at the end of a text took 26 s for these.
    const datatype = `${'.'.repeat(1_000_000)}x`;
    const startedMs = performance.now();
    const answer = await infer({ inputs: [{ ...input, datatype }] });
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(answer.status).toBe(400);
    expect(answer.text.length).toBeLessThan(5_000);
  });

  it('over gRPC get it whole in characters, which its headers need', async () => {
    const client = new GrpcClient(PredictionService, server.grpc);
    const name = `a${'\u{1f600}'.repeat(5_000)}`;
    const { code } = await refusalOf(client.call('predict', { modelSpec: { name } }));
    client.close();
    expect(code).toBe(5);
  });

  it('do not get an output many times', async () => {
    const twice = [{ name: 'scores' }, { name: 'scores' }];
    expect((await infer({ inputs: [input], outputs: twice })).status).toBe(400);
    const client = new GrpcClient(GRPCInferenceService, server.grpc);
    const tensor = { ...input, shape: [1n, 4n], data: undefined, contents: { fp32Contents: input.data } };
    const call = client.call('modelInfer', { modelName: 'classifier', inputs: [tensor], outputs: twice });
    expect((await refusalOf(call)).code).toBe(3);
    client.close();
  });

  it('give all of their tensors raw over gRPC, or none', async () => {
    const client = new GrpcClient(GRPCInferenceService, server.grpc);
    const inputs = ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [1n, 2n] }));
    const rawInputContents = [new Uint8Array(8)];
    const call = client.call('modelInfer', { modelName: 'several', inputs, rawInputContents });
    const { code, details } = await refusalOf(call);
    client.close();
    expect([code, details]).toEqual([3, expect.stringContaining('all or none')]);
  });

  it('do not get half a row, whose other half would be the next caller’s', async () => {
    for (const shape of [
      [0.5, 4],
      [-1, -2],
    ]) {
      const { status } = await predict('classifier', { inputs: [{ name: 'x', shape, data: [1, 1] }] });
      expect(`${shape}: ${status}`).toBe(`${shape}: 400`);
    }
  });

  it('do not get rows without values', async () => {
    const shape = [1_000_000_000, 0];
    const body = { inputs: [{ name: 'x', datatype: 'FP32', shape, data: [] }] };
    const answer = await ask(`${server.rest}/v2/models/wide/infer`, body);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain('There are no values');
  });

  it('do not have one value repeated without end', async () => {
    const client = new GrpcClient(PredictionService, server.grpc);
    const tensor = { dtype: 1, floatVal: [1], tensorShape: { dim: [{ size: 60_000n }] } };
    const inputs = Object.fromEntries(Array.from({ length: 40_000 }, (_, index) => [`x${index}`, tensor]));
    const grown = await growthOf(pid, async () => {
      const call = client.call('predict', { modelSpec: { name: 'classifier' }, inputs });
      expect((await refusalOf(call)).code).toBe(3);
    });
    client.close();
    expect(grown).toBeLessThan(500);
  });

  it('do not have a context repeated for millions of examples', async () => {
    const examples = '{},'.repeat(2_000_000);
    const body = `{"context": {"x": [1, 2, 3, 4]}, "examples": [${examples}{}]}`;
    const answer = await ask(`${server.rest}/v1/models/classifier:classify`, body);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain('100000 examples');
    const rows = '{"a":[1,2]},'.repeat(100_001);
    const byName = await predict('several', `{"instances": [${rows}{}]}`);
    expect(byName.json.error).toContain('by column');
  });

  it('nest as deep as they like', async () => {
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
    for (const body of [
      `{"instances": ${deep}}`,
      `{"inputs": [{"name": "x", "datatype": ${deep}, "data": [1, 2, 3, 4]}]}`,
      `{"instances": [${'{"x":'.repeat(100_000)}1${'}'.repeat(100_000)}]}`,
    ])
      expect((await predict('classifier', body)).status).toBe(400);
    expect((await predict('classifier', `{"more": ${deep}, "instances": [[1, 2, 3, 4]]}`)).status).toBe(200);
  });

  it('unpack no more at a time than there is room for bodies', async () => {
    const bomb = gzipSync(Buffer.alloc(maxBodyBytes, ' '));
    expect(bomb.length).toBeLessThan(20_000);
    const grown = await growthOf(pid, async () => {
      const answers = await Promise.all(
        Array.from({ length: 200 }, () => predict('classifier', bomb, { 'content-encoding': 'gzip' })),
      );
      for (const { status } of answers) expect([400, 429]).toContain(status);
    });
    // 200 bodies are 1,600 MiB; the room is for 4.
    expect(grown).toBeLessThan(400);
    const beyond = gzipSync(Buffer.alloc(maxBodyBytes + 1, ' '));
    expect((await predict('classifier', beyond, { 'content-encoding': 'gzip' })).status).toBe(413);
  });
});

it('answers nobody who does not read: the next request waits for that', async () => {
  const ways: readonly [string, string][] = [
    [
      'the fast way',
      `POST /v1/models/classifier:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    ["node:http's way", 'GET /docs/classifier HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ];
  for (const [way, request] of ways) {
    const socket = connect(server.state.rest.port, '127.0.0.1').pause();
    socket.on('error', () => {});
    const many = Buffer.from(request.repeat(2_000));
    let isFull = false;
    const grown = await growthOf(pid, async () => {
      for (let time = 0; time < 100 && !isFull; time++) {
        const isWritten = new Promise((resolve) => socket.write(many, () => resolve(true)));
        isFull = (await Promise.race([isWritten, sleep(500)])) !== true;
      }
    });
    socket.destroy();
    expect([way, isFull, grown < 200]).toEqual([way, true, true]);
  }
});

it('a body that comes a byte at a time holds no more than its bytes', async () => {
  const socket = connect(server.state.rest.port, '127.0.0.1').resume();
  const write = (bytes: string) => new Promise((resolve) => socket.write(bytes, 'latin1', resolve));
  const bytes = '1\r\n \r\n'.repeat(50_000);
  const grown = await growthOf(pid, async () => {
    await write(
      'POST /v1/models/classifier:predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (let time = 0; time < 60; time++) {
      await write(bytes);
      expect((await predict('classifier', right)).status).toBe(200);
    }
    expect(socket.destroyed).toBe(false);
  });
  socket.destroy();
  expect(grown).toBeLessThan(150);
});

describe('a request within a request', () => {
  const post = (headers: string, body = '') =>
    `POST /v1/models/classifier:predict HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${body}`;
  const hidden = 'GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n';

  it.each([
    ['both lengths', post('Content-Length: 4\r\nTransfer-Encoding: chunked', `0\r\n\r\n${hidden}`)],
    [
      'both, the other way round',
      post('Transfer-Encoding: chunked\r\nContent-Length: 4', `0\r\n\r\n${hidden}`),
    ],
    ['two lengths', post(`Content-Length: 0\r\nContent-Length: ${hidden.length}`, hidden)],
    ['two lengths in one', post(`Content-Length: 0, ${hidden.length}`, hidden)],
    ['a folded length', post('Content-Length:\r\n 0', hidden)],
    ['a length with a sign', post('Content-Length: +0', hidden)],
    [
      'an encoding with white space before its colon',
      post('Transfer-Encoding : chunked', `0\r\n\r\n${hidden}`),
    ],
    [
      'an encoding behind a bare line feed',
      post('X: a\nTransfer-Encoding: chunked\r\nContent-Length: 0', hidden),
    ],
    [
      'an encoding behind a bare carriage return',
      post('X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0', hidden),
    ],
    ['an encoding that is none', post('Transfer-Encoding: xchunked', `0\r\n\r\n${hidden}`)],
    ['a chunk with a size that is none', post('Transfer-Encoding: chunked', `0x0\r\n\r\n${hidden}`)],
    ['bare line feeds throughout', post('Content-Length: 0', hidden).replaceAll('\r\n', '\n')],
  ])('with %s is refused, and what is behind it is not read', async (_what, bytes) => {
    expect(await statusesOf(bytes)).toEqual([400]);
  });

  it('in a body is a body', async () => {
    expect(await statusesOf(post(`Content-Length: ${hidden.length}`, hidden))).toEqual([400]);
  });

  it('comes from nobody else for naming another host', async () => {
    const target = `POST http://evil.example/v1/models/classifier:predict HTTP/1.1\r\nHost: localhost`;
    const length = `Content-Length: ${right.length}\r\n\r\n${right}`;
    expect(await statusesOf(`${target}\r\n${length}`)).toEqual([403]);
    const own = target
      .replace('evil.example', 'localhost:8501')
      .replace('Host: localhost', 'Host: evil.example');
    expect(await statusesOf(`${own}\r\n${length}`)).toEqual([200]);
    expect(await statusesOf(post(`Host: evil.example\r\n${length}`.trimEnd()))).toEqual([400]);
    expect(await statusesOf('CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n')).toEqual([]);
  });
});

describe('without keys', () => {
  it.each([
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost@evil.example', 403],
    ['0.0.0.0', 403],
    ['2130706433', 403],
    ['[::ffff:7f00:1]', 403],
    ['', 403],
    ['LOCALHOST:8501', 200],
    ['127.9.9.9', 200],
    ['[::1]:8501', 200],
  ])('the host %j is answered with %i', async (host, status) => {
    expect(await statusesOf(`GET /v2 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 100)).toEqual([status]);
  });

  it.each([
    ['null', 403],
    ['https://evil.example', 403],
    ['http://127.0.0.1.evil.example', 403],
    ['http://localhost@evil.example', 403],
    ['http://evil.example#localhost', 403],
    ['http://localhost:3000', 200],
  ])('a page of %s is answered with %i', async (origin, status) => {
    const head = `GET /v2 HTTP/1.1\r\nHost: localhost\r\nOrigin: ${origin}\r\n\r\n`;
    expect(await statusesOf(head, 100)).toEqual([status]);
  });
});

it('all that ends no worker', async () => {
  expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(0);
  expect((await readServerState(server.settings.stateDir))?.workers[0]?.pid).toBe(pid);
});
