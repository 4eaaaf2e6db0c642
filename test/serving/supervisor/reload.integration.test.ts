import { generateKeyPairSync } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { signManifest } from '../../../conversion/manifest/index.ts';
import {
  applySettings,
  readServerState,
  type ServerState,
  type ServingSettingsInput,
} from '../../../serving/contract/index.ts';
import { metricOf } from '../support/metrics.ts';
import { scaledSum, writeFixture } from '../support/models.ts';
import { faultsOf, OpenLoop, sumsTarget } from '../support/open-loop.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

const applyTimeoutMs = 60_000;
const version = (number: number) => ({ specific: [number] });

describe('a server that is told other settings', () => {
  let server: TestServer;
  const models = (sums: number) => [{ name: 'sums', versionPolicy: version(sums) }, { name: 'others' }];
  const apply = (changes: Partial<ServingSettingsInput>): Promise<ServerState> =>
    applySettings(server.settings.stateDir, { ...server.settings, ...changes }, applyTimeoutMs);
  const served = (state: ServerState | undefined) =>
    state?.models.map(({ name, versions }) => [
      name,
      ...versions.map((each) => `${each.version} ${each.state}`),
    ]);
  const modelFile = (number: number) => join(server.settings.modelRoot, 'sums', String(number), 'model.onnx');

  beforeAll(async () => {
    server = await startServer(
      { sums: { 1: scaledSum(2), 2: scaledSum(3) }, others: { 1: scaledSum(5) } },
      { models: models(1) },
    );
  });
  afterAll(() => server.stop());

  it('changes versions under load: every answer comes, and is one of the two versions', async () => {
    const load = new OpenLoop(sumsTarget(server.rest, [2, 3]), 150, 8);
    for (const number of [2, 1, 2]) {
      expect(served(await apply({ models: models(number) }))).toEqual([
        ['sums', `${number} AVAILABLE`],
        ['others', '1 AVAILABLE'],
      ]);
    }
    const outcomes = await load.stop();
    expect(outcomes.length).toBeGreaterThan(100);
    expect(faultsOf(outcomes)).toEqual({});
    const { json } = await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 1]] });
    expect(json).toEqual({ predictions: [[6]] });
    // Workers have come and gone: what they counted is still there.
    const answered = await metricOf(server, 'modelmile_requests_total', { model: 'sums', code: '200' });
    expect(answered).toBeGreaterThanOrEqual(outcomes.length);
    expect(await metricOf(server, 'modelmile_reloads_total', { result: 'served' })).toBe(4);
  });

  it('keeps to its new settings where requests load models at the same time', async () => {
    await apply({ models: models(1), modelControl: true });
    let isApplied = false;
    const applied = apply({ models: models(2), modelControl: true }).finally(() => {
      isApplied = true;
    });
    while (!isApplied) {
      const { status } = await ask(`${server.rest}/v2/repository/models/others/load`, {});
      expect(status).toBe(200);
    }
    await applied;
    expect(served(await readServerState(server.settings.stateDir))).toContainEqual(['sums', '2 AVAILABLE']);
    await apply({ models: models(2) });
  });

  it('takes a model away without harm to the others', async () => {
    const load = new OpenLoop(sumsTarget(server.rest, [3]), 100, 4);
    expect(served(await apply({ models: [{ name: 'sums', versionPolicy: version(2) }] }))).toHaveLength(1);
    expect(faultsOf(await load.stop())).toEqual({});
    expect((await ask(`${server.rest}/v1/models/others`)).status).toBe(404);
    await apply({ models: models(2) });
  });

  it('serves on where a version is not what its manifest says, and says why everywhere', async () => {
    await writeFixture(server.settings.modelRoot, 'sums', 3, scaledSum(4));
    const bytes = await readFile(modelFile(3));
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(modelFile(3), bytes);
    const load = new OpenLoop(sumsTarget(server.rest, [3]), 100, 4);
    await expect(apply({ models: models(3) })).rejects.toMatchObject({
      code: 'SERVING_LOAD_FAILED',
      message: expect.stringMatching(
        /sums version 3: model\.onnx has sha256 [0-9a-f]{64}, the manifest says/,
      ),
    });
    expect(faultsOf(await load.stop())).toEqual({});
    const { json } = await ask(`${server.rest}/v1/models/sums`);
    expect(json.model_version_status).toEqual([
      expect.objectContaining({ version: '3', state: 'END' }),
      expect.objectContaining({ version: '2', state: 'AVAILABLE' }),
    ]);
    expect(json.model_version_status[0].status.error_message).toContain('sha256');
    expect(served(await readServerState(server.settings.stateDir))?.[0]).toEqual([
      'sums',
      '2 AVAILABLE',
      '3 END',
    ]);
    expect(await metricOf(server, 'modelmile_model_load_failures_total', { model: 'sums' })).toBe(1);
    // What is mended is forgotten.
    await rm(join(server.settings.modelRoot, 'sums', '3'), { recursive: true });
    await apply({ models: models(2) });
    expect((await ask(`${server.rest}/v1/models/sums`)).json.model_version_status).toHaveLength(1);
  });

  it('takes no version that nobody who is trusted has signed, and serves on', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const stranger = generateKeyPairSync('ed25519').privateKey;
    const trustedKeys = [publicKey.export({ type: 'spki', format: 'pem' }).toString()];
    const sign = async (name: string, number: number, key: typeof privateKey) => {
      const folder = join(server.settings.modelRoot, name, String(number));
      const manifest = await readFile(join(folder, 'manifest.json'));
      const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
      await writeFile(join(folder, 'manifest.json.sig'), signManifest(manifest, pem));
    };
    await sign('others', 1, privateKey);
    for (const prepare of [async () => {}, () => sign('sums', 2, stranger)]) {
      await prepare();
      const load = new OpenLoop(sumsTarget(server.rest, [2, 3]), 50, 2);
      await expect(apply({ models: models(2), trustedKeys })).rejects.toMatchObject({
        code: 'SERVING_LOAD_FAILED',
        message: expect.stringMatching(/sums version 2: .*sign/),
      });
      expect(faultsOf(await load.stop())).toEqual({});
    }
    await sign('sums', 2, privateKey);
    expect(served(await apply({ models: models(2), trustedKeys }))).toContainEqual(['sums', '2 AVAILABLE']);
    await apply({ models: models(2) });
  }, 180_000);

  it.each([
    [
      'a version that is not there',
      { models: [{ name: 'sums', versionPolicy: version(9) }] },
      'SERVING_LOAD_FAILED',
    ],
    ['a model that is not there', { models: [{ name: 'nobody' }] }, 'SERVING_LOAD_FAILED'],
    ['settings that are not valid', { workers: -1 }, 'SERVING_BAD_SETTINGS'],
    ['settings that are not safe', { rest: { host: '0.0.0.0', port: 0 } }, 'SERVING_NOT_SAFE'],
    ['a file of keys that is not there', { keysFile: '/nowhere/keys.json' }, 'SERVING_BAD_SETTINGS'],
  ])('refuses %s and serves on', async (_what, changes, code) => {
    await expect(apply(changes)).rejects.toMatchObject({ code });
    expect((await ask(`${server.rest}/v1/models/sums`)).status).toBe(200);
  });

  it('refuses a port that is taken, and keeps the ones it has', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const before = await readServerState(server.settings.stateDir);
    for (const listener of ['rest', 'grpc', 'management'] as const) {
      await expect(apply({ [listener]: { port } })).rejects.toMatchObject({
        code: 'SERVING_PORT_IN_USE',
        message: expect.stringContaining('taken by another process'),
      });
    }
    taken.close();
    expect(await readServerState(server.settings.stateDir)).toMatchObject({
      rest: before?.rest,
      grpc: before?.grpc,
      management: before?.management,
    });
    expect((await ask(`${server.rest}/v1/models/sums`)).status).toBe(200);
    expect(await metricOf(server, 'modelmile_requests_total')).toBeGreaterThan(0);
  });

  it('moves to other ports when it is told to', async () => {
    const state = await apply({ rest: { port: 0, host: '127.0.0.2' }, models: models(2) });
    expect((await ask(`http://127.0.0.2:${state.rest.port}/v1/models/sums`)).status).toBe(200);
    const refused = new Promise((resolve) => {
      connect(server.state.rest.port, '127.0.0.1').on('error', resolve);
    });
    expect(await refused).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
