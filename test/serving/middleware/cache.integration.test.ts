import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { predictionIdHeader } from '../../../serving/contract/index.ts';
import { bytesOfTensors } from '../../../serving/engine/answer-bytes.ts';
import { createLog } from '../../../serving/log.ts';
import { cacheCredentials } from '../../../serving/middleware/cache/credentials.ts';
import { openEmbeddedCache } from '../../../serving/middleware/cache/embedded.ts';
import { ServerCache } from '../../../serving/middleware/cache/server.ts';
import { until } from '../../support/load.ts';
import { hasOpenssl, makeAuthority, makeCertificate } from '../support/certificates.ts';
import { metricOf } from '../support/metrics.ts';
import { everyType, scaledSum } from '../support/models.ts';
import { freePort, hasRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const sum = (server: TestServer, a: number) =>
  ask(`${server.rest}/v1/models/sum:predict`, { instances: [[a, 1]] });
const hits = (server: TestServer) => metricOf(server, 'modelmile_cache_lookups_total', { result: 'hit' });

describe('the embedded cache', () => {
  it('forgets what was not asked for the longest, and what is old', async () => {
    const cache = openEmbeddedCache(4000);
    for (let n = 0; n < 5; n++) cache.set(`key${n}`, new Uint8Array(300), 60);
    expect(await cache.get('key0')).toBeUndefined();
    expect(await cache.get('key4')).toHaveLength(300);
    cache.set('short', new Uint8Array(1), 0.001);
    await until(async () => (await cache.get('short')) === undefined, 'it is forgotten');
  });

  it('takes no more memory than it is given, however short the answers are', async () => {
    const maxBytes = 1024 * 1024;
    const cache = openEmbeddedCache(maxBytes);
    const answers = Array.from({ length: 10_000 }, (_, n) =>
      bytesOfTensors([{ name: 'y', dtype: 'float32', shape: [1], data: Float32Array.of(n) }]),
    );
    // All that an answer keeps alive is its own.
    for (const answer of answers) expect(answer.buffer.byteLength).toBe(answer.length);
    answers.forEach((answer, n) => {
      cache.set(`key${n}`, answer, 60);
    });
    const kept = await Promise.all(answers.map((_, n) => cache.get(`key${n}`)));
    // An entry of Node's and of the list of the newest takes hundreds of bytes.
    expect(kept.filter(Boolean).length).toBeLessThan(maxBytes / 500);
  });

  it('gives an answer again for equal inputs to the same version, with an id of its own', async () => {
    const server = await startServer(
      { sum: { 1: scaledSum(1), 2: scaledSum(2) }, every: { 1: everyType } },
      {
        responseCache: {},
        models: [{ name: 'sum', versionPolicy: { all: true } }, { name: 'every' }],
      },
    );
    try {
      const [first, second] = [await sum(server, 3), await sum(server, 3)];
      expect(second.text).toBe(first.text);
      expect(second.headers.get(predictionIdHeader)).not.toBe(first.headers.get(predictionIdHeader));
      expect(await hits(server)).toBe(1);
      const older = await ask(`${server.rest}/v1/models/sum/versions/1:predict`, { instances: [[3, 1]] });
      expect(older.json.predictions).toEqual([[4]]);
      expect((await sum(server, 4)).json.predictions).toEqual([[10]]);
      expect(await hits(server)).toBe(1);

      const { inputs } = (await ask(`${server.rest}/docs/every`)).json.paths['/v2/models/every/infer'].post
        .requestBody.content['application/json'].example;
      const infer = () => ask(`${server.rest}/v2/models/every/infer`, { inputs });
      expect((await infer()).text).toBe((await infer()).text);
      expect(await metricOf(server, 'modelmile_cache_lookups_total', { result: 'hit', model: 'every' })).toBe(
        1,
      );
    } finally {
      await server.stop();
    }
  });
});

it('a cache server that hangs is left alone after some time: nobody waits for it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-cache-'));
  await writeFile(join(folder, 'password'), 'any');
  const sockets = new Set<Socket>();
  let isHung = false;
  const hanging = createServer((socket) => {
    sockets.add(socket);
    // One answer for each command: its arguments' count begins with an asterisk.
    socket.on('data', (bytes) => {
      if (!isHung) socket.write('+OK\r\n'.repeat(bytes.toString('latin1').split(/^\*\d/m).length - 1));
    });
  }).listen(0, '127.0.0.1');
  await once(hanging, 'listening');
  const { port } = hanging.address() as AddressInfo;
  const settings = { host: '127.0.0.1', port, tls: false, auth: { credentialsDir: folder } };
  const cache = new ServerCache(settings, () => {}, createLog('silent', 'test'));
  const waitedMs = async () => {
    const startedMs = performance.now();
    await cache.get('key');
    return performance.now() - startedMs;
  };
  await until(async () => (await cache.get('key')) !== undefined, 'it answers');
  isHung = true;
  expect(await waitedMs()).toBeGreaterThan(40);
  await until(async () => (await waitedMs()) < 5 && (await waitedMs()) < 5, 'nobody waits');
  isHung = false;
  await until(async () => (await cache.get('key')) !== undefined, 'it answers again');
  for (const socket of sockets) socket.destroy();
  hanging.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a token for ElastiCache', () => {
  it('is a signed request to connect, good for 15 minutes', async () => {
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'AKIDTESTTESTTESTTEST',
      AWS_SECRET_ACCESS_KEY: 'secret',
    });
    const awsIam = { user: 'modelmile', cluster: 'answers', region: 'eu-central-1' };
    const { username, password } = await cacheCredentials({ awsIam });
    expect(username).toBe('modelmile');
    const { host, searchParams: query } = new URL(`http://${password}`);
    expect(host).toBe('answers');
    expect(Object.fromEntries(query)).toMatchObject({
      Action: 'connect',
      User: 'modelmile',
      'X-Amz-Expires': '900',
      'X-Amz-Credential': expect.stringMatching(/^AKIDTEST.*\/eu-central-1\/elasticache\/aws4_request$/),
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });
});

(hasRedis && hasOpenssl ? describe : describe.skip)('a cache server (skipped where there is none)', () => {
  let folder: string;
  let port: number;
  let redis: RedisServer;
  let server: TestServer;
  let certificate: Parameters<typeof startRedis>[2];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-cache-'));
    const authority = await makeAuthority(folder, 'authority');
    certificate = {
      ...(await makeCertificate(folder, 'cache', authority)),
      caFile: authority.certFile,
    };
    await writeFile(join(folder, 'password'), 'first\n');
    port = await freePort();
    redis = await startRedis('first', port, certificate);
    server = await startServer(
      { sum: { 1: scaledSum(1) } },
      { workers: 2, responseCache: {}, cache: { host: 'localhost', port, auth: { credentialsDir: folder } } },
      { NODE_EXTRA_CA_CERTS: authority.certFile },
    );
  });
  afterAll(async () => {
    await server?.stop();
    await redis?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it('is shared by all workers, over TLS with a password', async () => {
    let asked = 0;
    await until(async () => {
      expect((await sum(server, asked++ % 2)).status).toBe(200);
      return (await hits(server)) > 2;
    }, 'answers come from it');
  });

  it('may go: every request is answered, and when it is back with another password it is used again', async () => {
    await redis.kill();
    for (let n = 0; n < 20; n++) expect((await sum(server, n)).json.predictions).toEqual([[n + 1]]);
    expect(await metricOf(server, 'modelmile_cache_failures_total')).toBeGreaterThan(0);
    await writeFile(join(folder, 'password'), 'second');
    redis = await startRedis('second', port, certificate);
    const before = await hits(server);
    await until(async () => {
      await sum(server, 1);
      return (await hits(server)) > before;
    }, 'it is used again');
  });
});
