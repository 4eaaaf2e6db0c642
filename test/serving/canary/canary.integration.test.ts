import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Preprocessing } from '../../../conversion/manifest/index.ts';
import { applySettings, readServerState, type ServedModel } from '../../../serving/contract/index.ts';
import { PredictionService } from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { until } from '../../support/load.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { metricOf } from '../support/metrics.ts';
import { classifier, failingSum, scaledSum, slowSum } from '../support/models.ts';
import { faultsOf, OpenLoop, sumsTarget } from '../support/open-loop.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const column = (name: string) => ({ name, kind: 'number' });

type Model = Partial<ServedModel>;

const versions = {
  1: scaledSum(2),
  2: scaledSum(2),
  3: scaledSum(5),
  4: failingSum,
  5: slowSum(2, 8),
  6: classifier,
  7: slowSum(2, 9),
  8: failingSum,
  9: { ...failingSum, labels: ['of the canary'] },
  10: { ...scaledSum(2), labels: ['of stable'] },
  11: {
    ...scaledSum(2),
    preprocessing: Preprocessing.parse({ x: { features: [column('a'), column('b')] } }),
  },
};
const rules = {
  shadow: 1,
  tolerance: 0.01,
  minSamples: 30,
  maxDifferent: 0.05,
  maxFailing: 0.05,
  maxSlowdown: 5,
};
const splitTo = (canary: number, further: Model = {}) => ({
  name: 'sums',
  versionPolicy: { specific: [1] },
  versionLabels: { stable: 1, canary },
  canary: rules,
  ...further,
});

describe('a canary', () => {
  let server: TestServer;
  const use = (model: object) =>
    applySettings(server.settings.stateDir, { ...server.settings, models: [model as ServedModel] }, 60_000);
  const stateOf = async (version: number) => {
    const state = await readServerState(server.settings.stateDir);
    return state?.models[0]?.versions.find((each) => each.version === version);
  };
  const isOut = async (version: number) => (await stateOf(version))?.state === 'END';
  const answersOf = (version: number) =>
    metricOf(server, 'modelmile_requests_total', { version: String(version), code: '200' });

  /** Load that must see nothing of a bad canary, until that is taken out. */
  async function judgedUnderLoad(version: number, factors: readonly number[]): Promise<string> {
    const load = new OpenLoop(sumsTarget(server.rest, factors), 60, 8);
    await until(() => isOut(version), `version ${version} is taken out`, 60_000);
    const outcomes = await load.stop();
    expect(faultsOf(outcomes)).toEqual({});
    expect(outcomes.length).toBeGreaterThan(rules.minSamples / 2);
    return (await stateOf(version))?.message as string;
  }

  beforeAll(async () => {
    server = await startServer({ sums: versions }, { models: [splitTo(2) as ServedModel], workers: 1 });
  });
  afterAll(() => server.stop());

  it('that does what stable does gets its share and stays', async () => {
    await use(splitTo(2, { weights: { stable: 3, canary: 1 } }));
    const before = { stable: await answersOf(1), canary: await answersOf(2) };
    for (let n = 0; n < 80; n++) {
      const { json } = await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[n, 1]] });
      expect(json.predictions).toEqual([[2 * (n + 1)]]);
    }
    expect((await answersOf(1)) - before.stable).toBe(60);
    expect((await answersOf(2)) - before.canary).toBe(20);
    await until(
      async () => (await metricOf(server, 'modelmile_canary_answers_total', { result: 'same' })) >= 50,
      'the answers are compared',
    );
    expect(await isOut(2)).toBe(false);
    const byLabel = await ask(`${server.rest}/v1/models/sums/labels/canary:predict`, { instances: [[1, 1]] });
    expect(byLabel.json.predictions).toEqual([[4]]);
  });

  it('that answers something else is taken out, and told in log, status and metrics', async () => {
    await use(splitTo(3));
    expect(await judgedUnderLoad(3, [2])).toMatch(/is wrong: \d+\.\d % of \d+ answers differ/);
    expect(await metricOf(server, 'modelmile_canary_removed_total', { reason: 'wrong', version: '3' })).toBe(
      1,
    );
    const { json: console } = await ask(`${server.rest}/console/api/stats`);
    expect(console.models).toMatchObject([{ name: 'sums', version: 1 }]);
    const status = await ask(`${server.rest}/v1/models/sums/versions/1`);
    expect(status.json.model_version_status).toHaveLength(1);
    const all = (await ask(`${server.rest}/v1/models/sums`)).json.model_version_status;
    expect(all.map((each: { version: string; state: string }) => [each.version, each.state])).toEqual([
      ['3', 'END'],
      ['1', 'AVAILABLE'],
    ]);
    const asked = await ask(`${server.rest}/v1/models/sums/versions/3:predict`, { instances: [[1, 1]] });
    expect(asked.status).toBe(404);
    expect(asked.json.error).toMatch(/was taken out, it is wrong/);
    expect(server.log()).toMatch(/canary was taken out/);
  });

  it('that was taken out stays out when the same settings come again', async () => {
    await use(splitTo(3, { weights: { stable: 1, canary: 1 } }));
    expect(await isOut(3)).toBe(true);
    const { json } = await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 1]] });
    expect(json.predictions).toEqual([[4]]);
  });

  it('is not to blame for requests that stable cannot answer either', async () => {
    await use(splitTo(8, { versionLabels: { stable: 4, canary: 8 }, weights: { stable: 1, canary: 1 } }));
    for (let n = 0; n < 2 * rules.minSamples; n++) {
      const { status } = await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 2]] });
      expect(status).toBe(500);
    }
    expect(await stateOf(8)).toMatchObject({ state: 'AVAILABLE' });
  });

  it('gets its share of what is asked of the model, also where each asks first whether it is ready', async () => {
    await use(splitTo(2, { weights: { stable: 1, canary: 1 } }));
    const predictionsOf = (version: string) =>
      metricOf(server, 'modelmile_requests_total', { version, method: 'predict', code: '200' });
    const before = { stable: await predictionsOf('1'), canary: await predictionsOf('2') };
    const client = new GrpcClient(PredictionService, server.grpc);
    const modelSpec = { name: 'sums' };
    const looks = [
      () => ask(`${server.rest}/v2/models/sums/ready`),
      () => ask(`${server.rest}/v2/models/sums`),
      () => ask(`${server.rest}/v1/models/sums/metadata`),
      () => client.call('getModelMetadata', { modelSpec, metadataField: ['signature_def'] }),
    ];
    for (let n = 0; n < 20; n++) {
      await looks[n % looks.length]?.();
      await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[n, 1]] });
    }
    client.close();
    expect((await predictionsOf('1')) - before.stable).toBe(10);
    expect((await predictionsOf('2')) - before.canary).toBe(10);
  });

  it('answers all tasks of one request or none of them', async () => {
    await use(splitTo(2, { weights: { stable: 1, canary: 1 } }));
    const client = new GrpcClient(PredictionService, server.grpc);
    const feature = { x: { kind: { case: 'floatList' as const, value: { value: [1, 2] } } } };
    const examples = [{ features: { feature } }];
    const tasks = ['classify', 'regress', 'regress'].map((method) => ({
      modelSpec: { name: 'sums' },
      methodName: `tensorflow/serving/${method}`,
    }));
    const answeredBy = new Map<string, number>();
    for (let n = 0; n < 10; n++) {
      const { message } = await client.call('multiInference', {
        tasks,
        input: { kind: { case: 'exampleList', value: { examples } } },
      });
      const versions = message.results.map(({ modelSpec }) => {
        const version = modelSpec?.versionChoice.value as { value: bigint } | undefined;
        return String(version?.value);
      });
      expect(new Set(versions).size).toBe(1);
      answeredBy.set(versions[0] as string, (answeredBy.get(versions[0] as string) ?? 0) + 1);
    }
    client.close();
    expect(Object.fromEntries(answeredBy)).toEqual({ 1: 5, 2: 5 });
  });

  it('names its classes itself, and where stable answers instead they are those of stable', async () => {
    await use(splitTo(9, { versionLabels: { stable: 10, canary: 9 }, weights: { canary: 1 } }));
    const outputs = [{ name: 'y', parameters: { classification: 1 } }];
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];
    const { json } = await ask(`${server.rest}/v2/models/sums/infer`, { inputs, outputs });
    expect(json.model_version).toBe('10');
    expect(json.outputs[0].data).toEqual(['6.000000:0:of stable']);
  });

  it('that fails is taken out, and no caller notices: stable answers instead', async () => {
    await use(splitTo(4, { weights: { stable: 1, canary: 1 } }));
    expect(await judgedUnderLoad(4, [2])).toMatch(/is failing/);
  });

  it('that is slow is taken out', async () => {
    await use(splitTo(5));
    expect(await judgedUnderLoad(5, [2])).toMatch(/is slow/);
  });

  it('is not to blame for callers who wait for no answer', async () => {
    await use(splitTo(7, { versionLabels: { stable: 5, canary: 7 }, weights: { stable: 1, canary: 1 } }));
    const client = new GrpcClient(PredictionService, server.grpc);
    const inputs = { x: { dtype: 1, tensorShape: { dim: [{ size: 1n }, { size: 2n }] }, floatVal: [1, 2] } };
    for (let n = 0; n < 2 * rules.minSamples; n++) {
      const call = client.call('predict', { modelSpec: { name: 'sums' }, inputs }, { deadlineMs: 5 });
      await call.catch(() => {});
    }
    client.close();
    expect(await stateOf(7)).toMatchObject({ state: 'AVAILABLE' });
  });

  it('whose signature is another is refused, and what served before serves on', async () => {
    await expect(use(splitTo(6))).rejects.toThrow(
      /cannot be the canary of version 1: its signature is another/,
    );
    const { json } = await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 1]] });
    expect(json.predictions).toEqual([[4]]);
  });

  it('that takes columns which stable does not is refused too', async () => {
    await expect(use(splitTo(11))).rejects.toThrow(
      /cannot be the canary of version 1: it takes other columns/,
    );
  });

  it('that was taken out may be stable later: then it answers as any other', async () => {
    await use(splitTo(1, { versionLabels: { stable: 4, canary: 1 }, weights: { stable: 3, canary: 1 } }));
    expect(await stateOf(4)).toMatchObject({ state: 'AVAILABLE' });
    const before = await answersOf(4);
    for (let n = 0; n < 8; n++) await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[0, 0]] });
    expect((await answersOf(4)) - before).toBe(6);
    const named = await ask(`${server.rest}/v1/models/sums/versions/4:predict`, { instances: [[0, 0]] });
    expect(named.status).toBe(200);
  });
});

const children = (pid: number) =>
  readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => undefined);

describe('a canary whose process is killed again and again', () => {
  it('is taken out, and loses no request', async () => {
    const patient = { ...rules, shadow: 1, maxSlowdown: 10_000 };
    const server = await startServer(
      { sums: versions },
      { models: [splitTo(5, { canary: patient, weights: { stable: 1, canary: 1 } }) as ServedModel] },
    );
    try {
      const pid = server.process.pid as number;
      if ((await children(pid)) === undefined) return;
      const load = new OpenLoop(sumsTarget(server.rest, [2]), 40, 8);
      const state = () => readServerState(server.settings.stateDir);
      await until(async () => {
        const known = await state();
        const workers = known?.workers.map((worker) => worker.pid) ?? [];
        const pids = ((await children(pid)) ?? '').split(' ').filter(Boolean).map(Number);
        for (const each of pids.filter((one) => !workers.includes(one))) process.kill(each, 'SIGKILL');
        return known?.models[0]?.versions.some(({ message }) => /is crashing/.test(message)) === true;
      }, 'version 5 is taken out');
      expect(faultsOf(await load.stop())).toEqual({});
      expect(await metricOf(server, 'modelmile_canary_removed_total', { reason: 'crashing' })).toBe(1);
      expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(0);
    } finally {
      await server.stop();
    }
  });
});
