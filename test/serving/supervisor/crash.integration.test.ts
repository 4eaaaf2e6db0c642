import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { predictionIdHeader, readServerState, streamFeedback } from '../../../serving/contract/index.ts';
import { until } from '../../support/load.ts';
import { metricOf } from '../support/metrics.ts';
import { scaledSum } from '../support/models.ts';
import { faultsOf, OpenLoop, sumsTarget } from '../support/open-loop.ts';
import { ask } from '../support/requests.ts';
import { restartServer, startServer, type TestServer } from '../support/server.ts';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a server whose processes are killed', () => {
  let server: TestServer;
  const stateOf = () => readServerState(server.settings.stateDir);
  const workers = async () => (await stateOf())?.workers.filter(({ ready }) => ready) ?? [];
  const predict = () => ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 2]] });
  const giveFeedback = async (rating: number): Promise<string> => {
    const predictionId = (await predict()).headers.get(predictionIdHeader) as string;
    const answer = await ask(`${server.rest}/v1/models/sums:feedback`, { predictionId, rating });
    expect(answer.status).toBe(200);
    return answer.json.feedbackId;
  };
  const storedFeedback = async (): Promise<string[]> => {
    const ids: string[] = [];
    for await (const record of streamFeedback(server.settings.stateDir, 'sums')) ids.push(record.feedbackId);
    return ids;
  };

  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2, recordInputs: true });
  });
  afterAll(() => server.stop());

  it('loses only what one worker has in flight, and has a new one within two seconds', async () => {
    const connections = 8;
    const load = new OpenLoop(sumsTarget(server.rest, [2]), 200, connections);
    await until(() => load.outcomes.length > 100, 'the load runs');
    const counted = await metricOf(server, 'modelmile_requests_total', { code: '200' });
    const [victim] = await workers();
    const killedMs = performance.now();
    process.kill(victim?.pid as number, 'SIGKILL');
    await until(
      async () => (await workers()).filter(({ pid }) => pid !== victim?.pid).length === 2,
      'two workers',
    );
    expect(performance.now() - killedMs).toBeLessThan(slowMachine * 2_000);
    expect(await metricOf(server, 'modelmile_requests_total', { code: '200' })).toBeGreaterThanOrEqual(
      counted,
    );
    expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(1);
    const outcomes = await load.stop();
    // At most one request was in flight on each connection, and about half of them were this worker's.
    expect(outcomes.filter(({ fault }) => fault !== '').length).toBeLessThanOrEqual(connections);
    expect(Object.keys(faultsOf(outcomes)).filter((fault) => fault.startsWith('wrong'))).toEqual([]);
  });

  it('keeps every feedback that it acknowledged while workers die', async () => {
    const acknowledged: string[] = [];
    let lost = 0;
    while (acknowledged.length < 20 && lost < 20) {
      if (acknowledged.length % 7 === 3) {
        const [victim] = await workers();
        if (victim !== undefined && isAlive(victim.pid)) process.kill(victim.pid, 'SIGKILL');
      }
      // Whoever was connected to the worker that died gets no acknowledgement, and asks again.
      const id = await giveFeedback(acknowledged.length / 20).catch(() => undefined);
      if (id === undefined) lost += 1;
      else acknowledged.push(id);
    }
    expect(acknowledged).toHaveLength(20);
    expect(await storedFeedback()).toEqual(expect.arrayContaining(acknowledged));
  });

  it('leaves no worker behind when the supervisor is killed, and starts again with all feedback', async () => {
    const acknowledged = [await giveFeedback(1), await giveFeedback(0.5)];
    const pids = (await workers()).map(({ pid }) => pid);
    server.process.kill('SIGKILL');
    await until(() => pids.every((pid) => !isAlive(pid)), 'the workers are gone');
    expect(await stateOf()).toBeUndefined();
    server = await restartServer(server);
    expect((await predict()).status).toBe(200);
    expect(await storedFeedback()).toEqual(expect.arrayContaining(acknowledged));
  });
});

describe('a server that cannot start', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } });
  });
  afterAll(() => server.stop());

  /** Exit code and standard error of a second server. */
  const start = (settingsFile: string): Promise<{ code: number | null; stderr: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [
        '--import',
        'tsx',
        'serving/main.ts',
        '--settings',
        settingsFile,
      ]);
      let stderr = '';
      child.stderr.on('data', (text: Buffer) => {
        stderr += text;
      });
      child.on('close', (code) => resolve({ code, stderr }));
    });

  it('says whose the state folder is', async () => {
    const { code, stderr } = await start(join(dirname(server.settings.stateDir), 'settings.json'));
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^SERVING_ALREADY_RUNNING: Process ${server.process.pid} serves from`));
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says which file of settings it cannot read', async () => {
    const { code, stderr } = await start('/nowhere/settings.json');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^SERVING_BAD_SETTINGS: \/nowhere\/settings\.json: ENOENT/);
    expect(await readFile(join(server.settings.stateDir, 'owner.pid'), 'utf8')).toBe(
      String(server.process.pid),
    );
  });
});

/** Machines that run tests are often busy with others. */
const slowMachine = Number(process.env['MODELMILE_SLOW_MACHINE'] ?? 5);
