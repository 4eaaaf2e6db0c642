import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readServerState } from '../../../serving/contract/index.ts';
import { scaledSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const canLimit = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;
const plenty = 4096;

(canLimit ? describe : describe.skip)('a server whose workers had no file left for a connection', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2 });
  });
  afterAll(() => server.stop());

  it('answers on all connections as soon as they have', async () => {
    const workers = (await readServerState(server.settings.stateDir))?.workers ?? [];
    const limit = (pid: number, files: number) =>
      execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);
    for (const { pid } of workers) limit(pid, readdirSync(`/proc/${pid}/fd`).length);
    const predict = () => ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 2]] });
    const early = Array.from({ length: 8 }, predict);
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const { pid } of workers) limit(pid, plenty);
    const answers = await Promise.all([...early, predict(), predict()]);
    expect(answers.map(({ status }) => status)).toEqual(new Array(10).fill(200));
  });
});
