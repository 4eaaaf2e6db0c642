import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newApiKey } from '../../serving/contract/index.ts';
import { metricOf } from './support/metrics.ts';
import { classifier, scaledSum } from './support/models.ts';
import { ask } from './support/requests.ts';
import { startServer, type TestServer } from './support/server.ts';

describe('a worker that has answered requests of its own', () => {
  const { key, entry } = newApiKey('one', { scopes: ['predict:sums'] });
  let folder: string;
  let server: TestServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-rehearsal-'));
    const keysFile = join(folder, 'keys.json');
    await writeFile(keysFile, JSON.stringify({ keys: [entry] }));
    server = await startServer(
      { sums: { 1: scaledSum(2), 2: scaledSum(3) }, colours: { 1: classifier } },
      { logLevel: 'debug', keysFile },
    );
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('had an answer to each of them, whatever others have to show', () => {
    const rehearsed = /"answered":(\d+),"msg":"rehearsed"/.exec(server.log())?.[1];
    expect(Number(rehearsed)).toBeGreaterThan(0);
    expect(server.log()).not.toContain('caller-unknown');
  });

  it('has counted none of them', async () => {
    for (const name of [
      'modelmile_requests_total',
      'modelmile_batches_total',
      'modelmile_phase_duration_seconds_count',
      'modelmile_request_duration_seconds_count',
    ])
      expect([name, await metricOf(server, name)]).toEqual([name, 0]);
    expect(await metricOf(server, 'modelmile_version_workers')).toBe(2);
    const headers = { authorization: `Bearer ${key}` };
    const { status } = await ask(
      `${server.rest}/v1/models/sums:predict`,
      { instances: [[1, 2]] },
      { headers },
    );
    expect(status).toBe(200);
    expect(await metricOf(server, 'modelmile_requests_total')).toBe(1);
    expect(await metricOf(server, 'modelmile_batches_total')).toBe(1);
  });
});

it('a worker does not wait for a batch that takes longer than its rehearsal, and counts none of it', async () => {
  const batching = { maxBatchSize: 64, batchTimeoutMs: 5000, maxEnqueued: 100, allowedBatchSizes: [] };
  const startedMs = performance.now();
  const server = await startServer({ sums: { 1: scaledSum(2) } }, { logLevel: 'debug', batching });
  try {
    expect(server.log()).toMatch(/"answered":0,"msg":"rehearsed"/);
    await new Promise((resolve) => setTimeout(resolve, startedMs + 6000 - performance.now()));
    expect(await metricOf(server, 'modelmile_batches_total')).toBe(0);
  } finally {
    await server.stop();
  }
});
