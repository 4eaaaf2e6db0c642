import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readServerState } from '../../../serving/contract/index.ts';
import { scaledSum, writeFixture } from '../support/models.ts';
import { startServer, type TestServer } from '../support/server.ts';

const body = JSON.stringify({ instances: [[1, 2]] });
const request = [
  'POST /v1/models/sums:predict HTTP/1.1',
  'host: localhost',
  'connection: close',
  `content-length: ${body.length}`,
  '',
  body,
].join('\r\n');
/** What a client waits for an answer. */
const patienceMs = 20_000;

interface Asked {
  readonly answer: string;
  readonly tookMs: number;
}

describe('a server one of whose workers is stopped', () => {
  let server: TestServer;
  const stopped = new Set<number>();
  const stop = (pid: number) => {
    process.kill(pid, 'SIGSTOP');
    stopped.add(pid);
  };
  const goOn = () => {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
    stopped.clear();
  };
  const pids = async () =>
    ((await readServerState(server.settings.stateDir))?.workers ?? []).map(({ pid }) => pid);

  /** On a connection of its own; empty where no answer came. */
  const predict = (): Promise<Asked> =>
    new Promise((resolve) => {
      const startedMs = performance.now();
      const { host, port } = server.state.rest;
      const socket = connect(port, host, () => socket.write(request));
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk.toString('utf8');
      });
      socket.on('error', () => {});
      socket.setTimeout(patienceMs, () => socket.destroy());
      socket.on('close', () => resolve({ answer, tookMs: performance.now() - startedMs }));
    });
  const predictMany = (count: number) => Promise.all(Array.from({ length: count }, predict));
  const expectAnswers = (asked: readonly Asked[]) => {
    for (const { answer } of asked)
      expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*"predictions": ?\[\[6(\.0)?\]\]/);
  };

  beforeAll(async () => {
    server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2 });
  });
  afterEach(goOn);
  afterAll(() => server.stop());

  it('answers on every connection, also on those that were given to that worker', async () => {
    const [first = 0, second = 0] = await pids();
    for (const pid of [first, second]) {
      stop(pid);
      const given = predictMany(12);
      await wait(500);
      // Who takes nothing is passed over from now on.
      for (let count = 0; count < 10; count++) {
        const asked = await predict();
        expectAnswers([asked]);
        expect(asked.tookMs).toBeLessThan(1_500);
      }
      expectAnswers(await given);
      goOn();
      // It declines what others have answered meanwhile, and takes what is new.
      expectAnswers(await predictMany(12));
    }
    expect((await pids()).sort()).toEqual([first, second].sort());
  });

  it('gives it no second connection before it has taken the first', async () => {
    const [first = 0] = await pids();
    await wait(500);
    stop(first);
    const asked = await predictMany(12);
    expectAnswers(asked);
    expect(asked.filter(({ tookMs }) => tookMs > 2_000).length).toBeLessThan(2);
  });

  it('keeps connections while nobody takes any, and gives them to the first that does', async () => {
    const [first = 0, second = 0] = await pids();
    stop(first);
    stop(second);
    const early = predictMany(6);
    await wait(4_500);
    const late = predictMany(6);
    await wait(500);
    process.kill(second, 'SIGCONT');
    stopped.delete(second);
    expectAnswers([...(await early), ...(await late)]);
  });

  it('answers with new workers on those that it was given before it is replaced', async () => {
    expectAnswers(await predictMany(12));
    await wait(500);
    const [first = 0] = await pids();
    stop(first);
    const given = predictMany(6);
    await wait(300);
    // The same weights: whoever answers says the same.
    await writeFixture(server.settings.modelRoot, 'sums', 2, scaledSum(2));
    server.process.kill('SIGHUP');
    const asked = await given;
    expectAnswers(asked);
    // Some waited for that worker.
    expect(Math.max(...asked.map(({ tookMs }) => tookMs))).toBeGreaterThan(1_000);
    expect(await pids()).not.toContain(first);
  });

  it('answers on every connection that it was handed before it ends', async () => {
    for (const pid of await pids()) stop(pid);
    const given = predictMany(6);
    await wait(2_500);
    server.process.kill('SIGTERM');
    await wait(500);
    goOn();
    expectAnswers(await given);
    expect(await server.ended).toBe(0);
  });
});
