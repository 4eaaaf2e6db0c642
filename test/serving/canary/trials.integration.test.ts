import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { applySettings, Canary, readServerState, type ServedModel } from '../../../serving/contract/index.ts';
import { until } from '../../support/load.ts';
import { growthOf } from '../support/growth.ts';
import { metricOf } from '../support/metrics.ts';
import { scaledSum, slowSum } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const MiB = 1024 * 1024;

const splitTo = (name: string, canary: number, further: object = {}) =>
  ({
    name,
    versionPolicy: { specific: [1] },
    versionLabels: { stable: 1, canary },
    canary: { ...Canary.parse({}), shadow: 1, minSamples: 20, maxSlowdown: 5, ...further },
    weights: { stable: 1, canary: 1 },
  }) satisfies ServedModel;

let server: TestServer;
afterEach(() => server.stop());

const predict = (model: string) =>
  ask(`${server.rest}/v1/models/${model}:predict`, { instances: [[1, 2]] }).then(({ json }) => json);
const state = async (model: string, version: number) => {
  const models = (await readServerState(server.settings.stateDir))?.models;
  return models?.find(({ name }) => name === model)?.versions.find((each) => each.version === version);
};
const isOut = async (model: string, version: number) => (await state(model, version))?.state === 'END';

/** Only Linux tells of a process what children it has. */
const onLinux = process.platform === 'linux' ? describe : describe.skip;

/** Those of the supervisor's children in which a canary runs: there are some. */
async function canaryProcesses(): Promise<number[]> {
  const pid = server.process.pid as number;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const found = children.split(' ').filter(Boolean).map(Number);
  const commands = await Promise.all(
    found.map((each) => readFile(`/proc/${each}/cmdline`, 'utf8').catch(() => '')),
  );
  const canaries = found.filter((_, index) => commands[index]?.includes('canary-worker'));
  expect(canaries).not.toEqual([]);
  return canaries;
}

it('a canary that is slow, or whose process dies, is no fault of the canary of another model', async () => {
  const versions = { 1: scaledSum(2), 2: scaledSum(2), 3: slowSum(2, 24) };
  const models = [splitTo('slow', 3), splitTo('good', 2)];
  server = await startServer({ slow: versions, good: versions }, { models });
  const compared = () =>
    metricOf(server, 'modelmile_canary_answers_total', { model: 'good', result: 'same' });
  await until(async () => {
    await Promise.all([predict('slow'), predict('good'), predict('good')]);
    return (await isOut('slow', 3)) && (await compared()) > 20;
  }, 'the slow one is taken out, the good one judged');
  expect(await state('good', 2)).toMatchObject({ state: 'AVAILABLE' });
});

onLinux('a canary that hangs', () => {
  it('keeps neither metrics nor feedback waiting, and is taken out as slow', async () => {
    const versions = { 1: scaledSum(2), 2: scaledSum(2) };
    // More than it is asked at a time.
    server = await startServer({ sums: versions }, { models: [splitTo('sums', 2, { minSamples: 100 })] });
    const hung = await canaryProcesses();
    for (const pid of hung) process.kill(pid, 'SIGSTOP');
    expect(await metricOf(server, 'modelmile_canary_answers_total')).toBe(0);
    expect((await ask(`${server.rest}/v2/models/stats`)).status).toBe(200);
    const feedback = { predictionId: '01890000-0000-7000-8000-000000000000', label: 1 };
    expect((await ask(`${server.rest}/v1/models/sums:feedback`, feedback)).status).toBe(404);
    const answers = await Promise.all(Array.from({ length: 300 }, () => predict('sums')));
    expect(answers.filter(({ predictions }) => predictions?.[0]?.[0] !== 6)).toEqual([]);
    await until(async () => {
      await predict('sums');
      return isOut('sums', 2);
    }, 'it is taken out');
    expect((await state('sums', 2))?.message).toContain('is slow');
  });

  it('is not sent more than it can hold, however short its callers wait', async () => {
    server = await startServer(
      { sums: { 1: scaledSum(2), 2: scaledSum(2) } },
      { models: [splitTo('sums', 2)] },
    );
    const hung = await canaryProcesses();
    for (const pid of hung) process.kill(pid, 'SIGSTOP');
    const rows = MiB / 2;
    const inputs = [
      { name: 'x', datatype: 'FP32', shape: [rows, 2], parameters: { binary_data_size: 8 * rows } },
    ];
    // Microseconds.
    const head = Buffer.from(JSON.stringify({ inputs, parameters: { timeout: 100_000 } }));
    const body = Buffer.concat([head, Buffer.alloc(8 * rows)]);
    const headers = { 'inference-header-content-length': String(head.length) };
    const grown = await growthOf(server.process.pid as number, async () => {
      for (let n = 0; n < 100; n++)
        await ask(`${server.rest}/v2/models/sums/versions/2/infer`, body, { headers });
    });
    expect(grown).toBeLessThan(400);
  });
});

onLinux('a canary whose process dies again and again with nothing to do', () => {
  it('is taken out as crashing', async () => {
    server = await startServer(
      { sums: { 1: scaledSum(2), 2: scaledSum(2) } },
      { models: [splitTo('sums', 2)] },
    );
    const asked = () => ask(`${server.rest}/v1/models/sums/versions/2:predict`, { instances: [[1, 2]] });
    const killed = new Set<number>();
    await until(async () => {
      if (await isOut('sums', 2)) return true;
      // It answered, and has nothing to do.
      if ((await asked()).status !== 200) return false;
      for (const pid of await canaryProcesses()) {
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
        // Asked before the server knows, it would have had something to do.
        await until(() => !existsSync(`/proc/${pid}`), 'the server knows');
      }
      return false;
    }, 'it is taken out');
    expect(killed.size).toBeGreaterThan(2);
    expect((await state('sums', 2))?.message).toMatch(/is crashing: .* with nothing to do/);
    expect(await metricOf(server, 'modelmile_canary_removed_total', { reason: 'crashing' })).toBe(1);
    expect(server.log()).toMatch(/canary was taken out/);
    expect(await predict('sums')).toEqual({ predictions: [[6]] });
  });
});

onLinux('a machine that stands still for some time', () => {
  it('makes no canary late', async () => {
    const versions = { 1: scaledSum(2), 2: slowSum(2, 60) };
    server = await startServer({ sums: versions }, { models: [splitTo('sums', 2)] });
    const pid = server.process.pid as number;
    const canary = await canaryProcesses();
    const all = [...canary, ...server.state.workers.map((worker) => worker.pid), pid];
    const signal = (name: NodeJS.Signals) => {
      for (const each of all) process.kill(each, name);
    };
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];
    // Microseconds.
    const body = { inputs, parameters: { timeout: 2_000_000 } };
    const asked = ask(`${server.rest}/v2/models/sums/versions/2/infer`, body);
    await new Promise((resolve) => setTimeout(resolve, 50));
    signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    signal('SIGCONT');
    expect((await asked).status).toBe(200);
    expect(await metricOf(server, 'modelmile_canary_answers_total', { result: 'late' })).toBe(0);
  });
});

it('a canary that is taken out while a reload starts is out afterwards too', async () => {
  const versions = { 1: scaledSum(2), 2: scaledSum(3) };
  const models = [splitTo('sums', 2)];
  server = await startServer({ sums: versions }, { models });
  const reload = applySettings(server.settings.stateDir, { ...server.settings, models, workers: 3 }, 60_000);
  await until(async () => {
    await predict('sums');
    return isOut('sums', 2);
  }, 'it is taken out');
  await reload;
  expect(await isOut('sums', 2)).toBe(true);
  for (let n = 0; n < 6; n++) expect(await predict('sums')).toEqual({ predictions: [[6]] });
});
