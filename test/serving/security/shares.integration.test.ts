import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newApiKey } from '../../../serving/contract/index.ts';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import { until } from '../../support/load.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { anyWidth, classifier } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const mib = 1024 * 1024;
const maxBodyBytes = 8 * mib;
const exhausted = 8;
const hog = newApiKey('hog', { scopes: ['*:*'] });
const other = newApiKey('other', { scopes: ['*:*'] });

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-shares-'));
  const keysFile = join(folder, 'keys.json');
  await writeFile(keysFile, JSON.stringify({ keys: [hog.entry, other.entry] }));
  const models = { classifier: { 1: classifier }, wide: { 1: anyWidth } };
  server = await startServer(models, { keysFile, maxBodyBytes });
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A body of the largest size, most of which says nothing. */
const largest = `{"instances": [[1, 2, 3, 4]]${' '.repeat(maxBodyBytes - 30)}}`;
const askAs = async ({ key }: typeof hog, body: string) => {
  const headers = { authorization: `Bearer ${key}` };
  return (await ask(`${server.rest}/v1/models/classifier:predict`, body, { headers })).status;
};

/** A request whose body has begun and does not end; answers with its status, where there is one. */
function begin(bytes: number, length?: number): Promise<number> {
  return new Promise((resolve) => {
    const headers = {
      authorization: `Bearer ${hog.key}`,
      ...(length !== undefined && { 'content-length': length }),
    };
    const url = `${server.rest}/v1/models/classifier:predict`;
    const begun: ClientRequest = request(url, { method: 'POST', headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode as number);
    });
    begun.on('error', () => resolve(0));
    begun.write(Buffer.alloc(bytes, 32));
    ends.push(() => begun.destroy());
  });
}

function session(): ClientHttp2Session {
  const made = connect(`http://${server.grpc}`, { maxSessionMemory: 2_000 });
  made.on('error', () => {});
  ends.push(() => made.destroy());
  return made;
}

/** A call of the hog's, which sends nothing yet. */
function call(on: ClientHttp2Session, codes: number[]): ClientHttp2Stream {
  const stream = on.request(
    {
      ':method': 'POST',
      ':authority': server.grpc,
      ':path': '/inference.GRPCInferenceService/ModelInfer',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${hog.key}`,
    },
    { endStream: false },
  );
  const look = (headers: Record<string, unknown>) => {
    if (headers['grpc-status'] !== undefined) codes.push(Number(headers['grpc-status']));
  };
  return stream
    .on('error', () => {})
    .on('response', look)
    .on('trailers', look)
    .resume();
}

async function inferAs({ key }: typeof hog, columns: number): Promise<void> {
  const client = new GrpcClient(GRPCInferenceService, server.grpc);
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1n, BigInt(columns)] }];
  const rawInputContents = [new Uint8Array(4 * columns)];
  try {
    await client.call('modelInfer', { modelName: 'wide', inputs, rawInputContents }, { key });
  } finally {
    client.close();
  }
}

describe('whoever takes all it can leaves others room for the largest request', () => {
  it('with bodies that do not end', async () => {
    const statuses: number[] = [];
    for (let time = 0; time < 60; time++) void begin(mib).then((status) => statuses.push(status));
    await until(async () => statuses.includes(429), 'what was taken shows');
    expect(await askAs(hog, largest)).toBe(429);
    expect(await askAs(other, largest)).toBe(200);
  });

  it('with bodies that do not end, each small enough for the fast way', async () => {
    const bytes = 200 * 1024;
    for (let time = 0; time < 300; time++) void begin(bytes, bytes + 1);
    await sleep(1_000);
    expect(await askAs(other, largest)).toBe(200);
    expect(await askAs(other, largest.slice(0, -maxBodyBytes + bytes).concat('}'))).toBe(200);
  });

  it('with messages that do not end', async () => {
    const codes: number[] = [];
    const one = session();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(mib, 1);
    // One after the other: side by side all of them are in the middle when the room is full, and all are refused.
    for (let time = 0; time < 60 && !codes.includes(exhausted); time++) {
      const stream = call(one, codes);
      await new Promise<void>((resolve) => {
        stream.once('close', resolve).write(Buffer.concat([prefix, Buffer.alloc(mib - 1)]), () => resolve());
      });
    }
    await until(async () => codes.includes(exhausted), 'what was taken shows');
    await inferAs(other, maxBodyBytes / 4 - 100);
    await expect(inferAs(hog, maxBodyBytes / 4 - 100)).rejects.toMatchObject({ code: exhausted });
  });

  it('with answers that it does not read', async () => {
    const columns = maxBodyBytes / 4 - 100;
    const inputs = [
      { name: 'x', datatype: 'FP32', shape: [1, columns], parameters: { binary_data_size: 4 * columns } },
    ];
    const json = JSON.stringify({ inputs, parameters: { binary_data_output: true } });
    const body = Buffer.concat([Buffer.from(json), Buffer.alloc(4 * columns)]);
    const askFor = ({ key }: typeof hog) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${key}`,
          'inference-header-content-length': json.length,
          'content-length': body.length,
        };
        const url = `${server.rest}/v2/models/wide/infer`;
        const asked = request(url, { method: 'POST', headers, agent: false }, resolve).on('error', reject);
        ends.push(() => asked.destroy());
        asked.end(body);
      });
    let answers = 0;
    while ((await askFor(hog)).statusCode === 200) answers += 1;
    // They may fill 128 MiB.
    expect(answers).toBe(16);
    expect((await askFor(hog)).statusCode).toBe(429);
    const { statusCode } = await askFor(other);
    expect(statusCode).toBe(200);
  });

  it('with calls that are opened and say nothing', async () => {
    const codes: number[] = [];
    for (let time = 0; time < 5; time++) {
      const one = session();
      for (let stream = 0; stream < 1000; stream++) call(one, codes);
    }
    await until(async () => codes.includes(exhausted), 'what was taken shows');
    expect(new Set(codes)).toEqual(new Set([exhausted]));
    await inferAs(other, 4);
    await expect(inferAs(hog, 4)).rejects.toMatchObject({ code: exhausted });
  });
});

it('what was held is there again', async () => {
  await until(async () => (await askAs(hog, largest)) === 200, 'what was taken shows');
  await inferAs(hog, maxBodyBytes / 4 - 100);
});
