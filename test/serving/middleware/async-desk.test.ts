import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ServingSettings } from '../../../serving/contract/index.ts';
import { ServingError } from '../../../serving/errors.ts';
import { createLog } from '../../../serving/log.ts';
import type { Database } from '../../../serving/middleware/database/database.ts';
import { openEmbeddedDatabase } from '../../../serving/middleware/database/embedded.ts';
import { Metrics } from '../../../serving/monitoring/registry.ts';
import type { StoredResponse } from '../../../serving/stored.ts';
import { AsyncDesk } from '../../../serving/supervisor/async-desk.ts';
import { until } from '../../support/load.ts';

const limits = { maxWaiting: 2, concurrency: 1, expireSeconds: 60 };
const request = {
  model: 'm',
  callerId: 'alice',
  request: {
    method: 'POST',
    path: '/v1/models/m:predict',
    query: '',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{}'),
    remoteAddress: undefined,
    certificateName: undefined,
  },
};
const answer: StoredResponse = {
  status: 200,
  head: ['content-type', 'text/plain'],
  body: Buffer.from('yes'),
};

describe('the queue of asynchronous requests', () => {
  let folder: string;
  let database: Database;
  let desk: AsyncDesk;
  const metrics = new Metrics();
  const running: ((response: StoredResponse) => void)[] = [];
  let isReady = true;
  const runFor = async () => {
    if (!isReady) throw new ServingError('SERVING_NOT_READY', 'No worker is ready');
    return new Promise<StoredResponse>((resolve) => running.push(resolve));
  };
  const settingsNow = () => ServingSettings.parse({ modelRoot: '/models', stateDir: folder });
  const open = (further: Partial<typeof limits> = {}, on = Promise.resolve(database)) => {
    const settings = settingsNow();
    const serving = () => ({ isReady, runFor });
    const log = createLog('silent', 'test');
    return new AsyncDesk(settings, { ...limits, ...further }, on, serving, metrics, log);
  };
  const begun = (count: number) => until(() => running.length === count, `${count} are begun`);
  const stateIs = (id: string, state: string) =>
    until(async () => (await desk.state(id, 'alice')).state === state, `it is ${state}`);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-desk-'));
    database = await openEmbeddedDatabase(join(folder, 'database'));
    desk = open();
  });
  afterAll(async () => {
    await desk.close(0);
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is bounded; what waits can be cancelled, and what is done can be fetched', async () => {
    const first = await desk.submit(request);
    await begun(1);
    const [second, third] = [await desk.submit(request), await desk.submit(request)];
    await expect(desk.submit(request)).rejects.toMatchObject({ code: 'SERVING_OVERLOADED' });
    await expect(desk.result(first.id, 'alice')).rejects.toThrow(/is running/);
    expect((await desk.cancel(second.id, 'alice')).state).toBe('cancelled');
    await expect(desk.result(second.id, 'alice')).rejects.toThrow(/is cancelled/);
    running[0]?.(answer);
    await begun(2);
    running[1]?.(answer);
    await stateIs(third.id, 'done');
    expect(await desk.result(first.id, 'alice')).toMatchObject({
      model: 'm',
      status: 200,
      body: answer.body,
    });
    expect((await desk.cancel(third.id, 'alice')).state).toBe('done');
    await expect(desk.state(third.id, 'bob')).rejects.toMatchObject({ code: 'SERVING_REQUEST_NOT_FOUND' });
  });

  it('tries again what was refused for the moment, and drops the answer of what was cancelled meanwhile', async () => {
    const { id } = await desk.submit(request);
    await begun(3);
    running[2]?.({ ...answer, status: 503 });
    await begun(4);
    expect((await desk.cancel(id, 'alice')).state).toBe('cancelled');
    running[3]?.(answer);
    const other = await desk.submit(request);
    await begun(5);
    running[4]?.(answer);
    await stateIs(other.id, 'done');
    expect((await desk.state(id, 'alice')).state).toBe('cancelled');
  });

  it('waits for a worker for longer than it takes to start one', async () => {
    const before = running.length;
    isReady = false;
    const { id } = await desk.submit(request);
    // Three tries, a second apart, would be over.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(['waiting', 'running']).toContain((await desk.state(id, 'alice')).state);
    isReady = true;
    await begun(before + 1);
    running.at(-1)?.(answer);
    await stateIs(id, 'done');
  }, 30_000);

  it('runs no try beside the one before, which may wait for a worker and then takes all its time', async () => {
    const before = running.length;
    const now = performance.now.bind(performance);
    const { id } = await desk.submit(request);
    await begun(before + 1);
    const beganMs = now();
    // Nearly over is what it may wait.
    const aheadMs = 29_600;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs);
    running.at(-1)?.({ ...answer, status: 503 });
    await begun(before + 2);
    const lastMs = performance.now() - beganMs;
    running.at(-1)?.({ ...answer, status: 503 });
    await stateIs(id, 'waiting');
    clock.mockRestore();
    const [job] = await database.query(
      'SELECT EXTRACT(epoch FROM expire_in)::int AS seconds FROM pgboss.job WHERE id = $1',
      [id],
    );
    expect(lastMs + settingsNow().requestTimeoutMs).toBeLessThan(1000 * (job?.seconds as number));
    await begun(before + 3);
    running.at(-1)?.(answer);
    await stateIs(id, 'done');
  }, 30_000);

  it('takes no more than may wait, also of those that come at once', async () => {
    const before = running.length;
    const ended = await Promise.allSettled(Array.from({ length: 10 }, () => desk.submit(request)));
    const taken = ended.filter(({ status }) => status === 'fulfilled');
    expect(taken).toHaveLength(limits.maxWaiting);
    for (let count = 1; count <= taken.length; count++) {
      await begun(before + count);
      running.at(-1)?.(answer);
    }
  });

  it('keeps neither keys nor other headers of who asked', async () => {
    const rows = await database.query('SELECT data FROM pgboss.job');
    expect(rows.length).toBeGreaterThan(3);
    const kept = rows.map(({ data }) => Object.keys(data as object).sort());
    for (const names of kept) {
      expect(names).toEqual(['body', 'callerId', 'headers', 'model', 'path', 'submittedAtMs']);
    }
  });

  it('begins nothing whose time is over', async () => {
    await desk.close(0);
    const before = running.length;
    desk = open({ expireSeconds: 1 });
    const first = await desk.submit(request);
    await begun(before + 1);
    const late = await desk.submit(request);
    await stateIs(late.id, 'expired');
    running.at(-1)?.(answer);
    await stateIs(first.id, 'done');
    await until(
      () => metrics.snapshot().some(({ labels, values }) => labels.includes('expired') && values[0] === 1),
      'it is given up',
    );
    expect(running).toHaveLength(before + 1);
  });

  it('is not waited for by who ends while the database opens, and works on nothing when it has', async () => {
    const job = await desk.submit(request);
    await begun(running.length + 1);
    running.at(-1)?.(answer);
    await stateIs(job.id, 'done');
    await desk.close(0);
    let opened: () => void = () => {};
    const opening = new Promise<Database>((resolve) => {
      opened = () => resolve(database);
    });
    const early = open({}, opening);
    await early.close(60_000);
    const before = running.length;
    opened();
    const { id } = await early.submit(request);
    // More than one look at the queue.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(running).toHaveLength(before);
    desk = open();
    await begun(before + 1);
    running.at(-1)?.(answer);
    await stateIs(id, 'done');
  });
});
