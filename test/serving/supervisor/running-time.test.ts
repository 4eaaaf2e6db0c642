import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, it } from '@jest/globals';
import { RunningTime } from '../../../serving/supervisor/running-time.ts';
import { until } from '../../support/load.ts';

const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

let time: RunningTime | undefined;
afterEach(() => time?.stop());

it('counts the time in which this process runs, and not that in which it stood still', async () => {
  let passedMs = 0;
  time = new RunningTime((ms) => {
    passedMs += ms;
  });
  const startedMs = performance.now();
  time.start();
  await until(() => passedMs > 400, 'time passes');
  const stillMs = 3_000;
  standStill(stillMs);
  const before = passedMs;
  await until(() => passedMs > before, 'time passes again');
  expect(passedMs).toBeLessThanOrEqual(performance.now() - startedMs - stillMs);
});

it('tells nothing any more once it is stopped', async () => {
  let told = 0;
  time = new RunningTime(() => {
    told += 1;
  });
  time.start();
  await until(() => told > 0, 'time passes');
  time.stop();
  const before = told;
  await wait(600);
  expect(told).toBe(before);
});
