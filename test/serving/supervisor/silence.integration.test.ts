import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readServerState } from '../../../serving/contract/index.ts';
import { metricOf } from '../support/metrics.ts';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

/** Processes whose clock of intervals goes twice as fast, so that a minute is over in half of one, and an hour on at a signal. */
const clock = `
  const now = performance.now.bind(performance);
  let aheadMs = 0;
  performance.now = () => 2 * now() + aheadMs;
  process.on('SIGUSR2', () => { aheadMs += 3_600_000; });
`;
const hurried = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(clock)}` };
/** Half a minute it should be. */
const mostMs = 90_000;

describe('a server from whose workers nothing is heard', () => {
  let server: TestServer;
  const pids = async () =>
    ((await readServerState(server.settings.stateDir))?.workers ?? []).map(({ pid }) => pid);

  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2 }, hurried);
  });
  afterAll(() => server.stop());

  it('kills none because its own clock is suddenly an hour on', async () => {
    const before = await pids();
    server.process.kill('SIGUSR2');
    await wait(2_000);
    expect(await pids()).toEqual(before);
    expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(0);
  });

  it(
    'kills one that hangs after a minute, says so, and has another in its place',
    async () => {
      const [hung = 0, well = 0] = await pids();
      process.kill(hung, 'SIGSTOP');
      const stoppedMs = performance.now();
      const replaced = async () => {
        const now = await pids();
        return now.length === 2 && !now.includes(hung);
      };
      while (!(await replaced()) && performance.now() - stoppedMs < mostMs) await wait(100);
      expect(performance.now() - stoppedMs).toBeGreaterThan(25_000);
      expect(await replaced()).toBe(true);
      expect(await pids()).toContain(well);
      expect(server.log().match(/"event":"worker-killed","worker":\d+/g)).toEqual([
        `"event":"worker-killed","worker":${hung}`,
      ]);
      expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(1);
      expect((await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 2]] })).status).toBe(200);
    },
    2 * mostMs,
  );
});
