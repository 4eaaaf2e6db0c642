import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newApiKey, predictionIdHeader } from '../../../serving/contract/index.ts';
import { until } from '../../support/load.ts';
import { scaledSum, slowSum } from '../support/models.ts';
import { hasPostgres, type PostgresServer, startPostgres } from '../support/postgres.ts';
import { type Answer, ask } from '../support/requests.ts';
import { restartServer, startServer, type TestServer } from '../support/server.ts';

const body = { instances: [[1, 2]] };
const models = { sum: { 1: scaledSum(2) }, slow: { 1: slowSum(2, 400) } };

class Client {
  readonly #server: () => TestServer;
  readonly #headers: Record<string, string>;

  constructor(server: () => TestServer, key?: string) {
    this.#server = server;
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  }

  ask(path: string, sent?: unknown, method?: string): Promise<Answer> {
    const options = { headers: this.#headers, ...(method !== undefined && { method }) };
    return ask(`${this.#server().rest}${path}`, sent, options);
  }

  async submit(path: string, sent: unknown): Promise<string> {
    const answer = await this.ask(`/async${path}`, sent);
    expect([answer.status, answer.json.state]).toEqual([202, 'waiting']);
    expect(answer.headers.get('location')).toBe(`/async/requests/${answer.json.id}`);
    return answer.json.id;
  }

  async state(id: string): Promise<string> {
    return (await this.ask(`/async/requests/${id}`)).json.state;
  }

  async done(id: string): Promise<Answer> {
    await until(async () => (await this.state(id)) === 'done', `${id} is done`, 60_000);
    return this.ask(`/async/requests/${id}/result`);
  }
}

describe('asynchronous requests', () => {
  let folder: string;
  let server: TestServer;
  const keys = Object.fromEntries(
    ['predict:*', 'predict:sum', 'read:*'].map((scope) => [
      scope,
      newApiKey(scope.replace(/\W/g, '-'), { scopes: [scope] }),
    ]),
  );
  const clientOf = (scope: string) => new Client(() => server, keys[scope]?.key);
  const all = clientOf('predict:*');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-async-'));
    const keysFile = join(folder, 'keys.json');
    await writeFile(keysFile, JSON.stringify({ keys: Object.values(keys).map(({ entry }) => entry) }));
    const asyncRequests = { concurrency: 1 };
    server = await startServer(models, { keysFile, asyncRequests });
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are answered as they would have been at once, whatever the protocol', async () => {
    const direct = await all.ask('/v1/models/sum:predict', body);
    const later = await all.done(await all.submit('/v1/models/sum:predict', body));
    expect([later.status, later.text]).toEqual([200, direct.text]);
    expect(later.headers.get(predictionIdHeader)).toMatch(/^[0-9a-f-]{36}$/);
    const infer = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] };
    const inferred = await all.done(await all.submit('/v2/models/sum/infer', infer));
    expect(inferred.json.outputs[0].data).toEqual([6]);
    const wrong = await all.done(await all.submit('/v1/models/sum:predict', { instances: [[1]] }));
    expect(wrong.status).toBe(400);
    expect(wrong.json.error).toMatch(/expected shape \[-1,2\]/);
    expect((await all.ask('/docs/sum')).json.paths).toHaveProperty('/async/requests/{id}/result');
  });

  it('are for those who may predict, and their answers for who asked', async () => {
    const sum = clientOf('predict:sum');
    const id = await sum.submit('/v1/models/sum:predict', body);
    expect((await sum.done(id)).status).toBe(200);
    expect((await all.ask(`/async/requests/${id}/result`)).status).toBe(404);
    expect((await sum.ask('/async/v1/models/slow:predict', body)).status).toBe(403);
    expect((await clientOf('read:*').ask('/async/v1/models/sum:predict', body)).status).toBe(403);
    expect((await new Client(() => server).ask('/async/v1/models/sum:predict', body)).status).toBe(401);
    expect((await all.ask('/async/v1/models/none:predict', body)).status).toBe(404);
    expect((await all.ask('/async/v1/models/sum:feedback', body)).status).toBe(404);
    for (const id of ['01a226ff-f51e-7b4d-9f45-2acb6f450efe', '-'.repeat(36), 'f'.repeat(36)])
      expect([id, (await all.ask(`/async/requests/${id}`)).status]).toEqual([id, 404]);
    // What answers nothing at once is not taken for later either.
    for (const path of ['/V2/models/sum/infer', '/v2/models/sum/INFER', '/v1/models/sum/versions/a:predict'])
      expect([path, (await all.ask(`/async${path}`, body)).status]).toEqual([path, 404]);
  });

  it('survive a server that is killed while it works on them', async () => {
    const slow: string[] = [];
    for (let count = 0; count < 3; count++) slow.push(await all.submit('/v1/models/slow:predict', body));
    const waiting = await all.submit('/v1/models/sum:predict', body);
    // A worker that is asked while it runs one answers when that is over: the next is being worked on then.
    await until(async () => (await all.state(slow[0] as string)) !== 'waiting', 'the first is worked on');
    server.process.kill('SIGKILL');
    server = await restartServer(server);
    for (const id of [...slow, waiting]) expect((await all.done(id)).json.predictions).toEqual([[6]]);
  });
});

(hasPostgres ? describe : describe.skip)(
  'asynchronous requests on Postgres (skipped where there is none)',
  () => {
    let postgres: PostgresServer;
    let server: TestServer;

    beforeAll(async () => {
      postgres = await startPostgres();
      const { port, credentialsDir } = postgres;
      const database = { host: '127.0.0.1', port, credentialsDir, tls: false };
      server = await startServer(models, { database, asyncRequests: { expireSeconds: 3 } });
    });
    afterAll(async () => {
      await server?.stop();
      await postgres?.stop();
    });

    it('are answered, and forgotten when their time is over', async () => {
      const client = new Client(() => server);
      const id = await client.submit('/v1/models/sum:predict', body);
      expect((await client.done(id)).json.predictions).toEqual([[6]]);
      await until(async () => (await client.ask(`/async/requests/${id}`)).status === 404, 'it is forgotten');
    });
  },
);

describe('a server that takes no asynchronous requests', () => {
  it('says so', async () => {
    const server = await startServer({ sum: { 1: scaledSum(2) } });
    try {
      const refused = await ask(`${server.rest}/async/v1/models/sum:predict`, body);
      expect([refused.status, refused.json.error]).toEqual([501, expect.stringMatching(/asyncRequests/)]);
      expect((await ask(`${server.rest}/docs/sum`)).json.paths).not.toHaveProperty('/async/requests/{id}');
    } finally {
      await server.stop();
    }
  });
});
