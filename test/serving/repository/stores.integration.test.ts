import { generateKeyPairSync } from 'node:crypto';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { signManifest } from '../../../conversion/manifest/index.ts';
import { readServerState, ServingSettings } from '../../../serving/contract/index.ts';
import { chooseModels } from '../../../serving/repository/chosen.ts';
import { FolderStore } from '../../../serving/repository/folder-store.ts';
import { HttpFiles } from '../../../serving/repository/http-files.ts';
import { Mirror } from '../../../serving/repository/mirror.ts';
import { S3Files } from '../../../serving/repository/s3-files.ts';
import { openStore } from '../../../serving/repository/stores.ts';
import { until } from '../../support/load.ts';
import { type FileServer, serveFiles } from '../support/file-server.ts';
import { metricOf } from '../support/metrics.ts';
import { scaledSum, wideSum, writeFixture } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { s3Keys, s3Region, serveS3 } from '../support/s3-server.ts';
import { restartServer, startServer, type TestServer } from '../support/server.ts';

const aws = { AWS_ACCESS_KEY_ID: s3Keys.id, AWS_SECRET_ACCESS_KEY: s3Keys.secret, AWS_REGION: s3Region };

/** What the model answers to [1, 1]: twice the factor of its version. */
async function answer(server: TestServer): Promise<number> {
  const { json } = await ask(`${server.rest}/v1/models/sum:predict`, { instances: [[1, 1]] });
  return json.predictions[0][0];
}

/** Whether a file of this folder has just so many bytes. */
async function hasFileOf(folder: string, sizeBytes: number): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.includes(sizeBytes);
}

const reload = (server: TestServer) => ask(`${server.rest}/v1/models/sum:reload`, '');
const status = async (server: TestServer) =>
  (await ask(`${server.rest}/v1/models/sum`)).json.model_version_status;

describe('a repository on S3', () => {
  let folder: string;
  let store: FileServer;
  let server: TestServer;
  const root = () => join(folder, 'models', 'of ours');
  const modelReads = () => store.asked.filter((line) => line.includes('model.onnx'));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-s3-'));
    store = await serveS3(folder);
    await writeFixture(root(), 'sum', 1, scaledSum(1));
    await writeFixture(root(), 'other', 7, scaledSum(7));
    const elsewhere = { modelRoot: 's3://models/of ours/', store: { endpoint: store.url } };
    server = await startServer({}, elsewhere, aws);
  });
  afterAll(async () => {
    await server?.stop();
    await store?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is listed page by page and served by every model it has', async () => {
    expect(await answer(server)).toBe(2);
    const index = await ask(`${server.rest}/v2/repository/index`, {});
    expect(index.json.map((entry: { name: string }) => entry.name)).toEqual(['other', 'sum']);
    const settings = { region: s3Region, endpoint: store.url };
    Object.assign(process.env, aws);
    expect(await new S3Files('s3://models/of ours', settings).models()).toEqual(['other', 'sum']);
  });

  it('gives a new version at a reload, from where a broken transfer stopped', async () => {
    await writeFixture(root(), 'sum', 2, scaledSum(2));
    const partial = join(server.settings.stateDir, 'store', 'partial');
    store.breakOnce('model.onnx', 10, () => until(() => hasFileOf(partial, 10), 'the first bytes on disk'));
    expect((await reload(server)).json).toEqual({ changed: true });
    expect(await answer(server)).toBe(4);
    expect(modelReads().at(-1)).toBe('GET /models/of%20ours/sum/2/model.onnx bytes=10-');
    expect((await reload(server)).json).toEqual({ changed: false });
  });

  it('keeps serving what served before where a version is not what its manifest says, and tells why', async () => {
    await writeFixture(root(), 'sum', 3, scaledSum(3));
    await writeFile(join(root(), 'sum', '3', 'model.onnx'), scaledSum(4).onnx);
    const refused = await reload(server);
    expect(refused.status).toBe(409);
    expect(refused.json.error).toMatch(/sum version 3: model\.onnx has sha256/);
    expect(await answer(server)).toBe(4);
    expect(await status(server)).toContainEqual({
      version: '3',
      state: 'END',
      status: { error_code: 'UNKNOWN', error_message: expect.stringContaining('has sha256') },
    });
    expect(await metricOf(server, 'modelmile_model_load_failures_total', { model: 'sum' })).toBe(1);
    expect(await metricOf(server, 'modelmile_reloads_total', { result: 'refused' })).toBe(1);
    await rm(join(root(), 'sum', '3'), { recursive: true });
  });

  it('is not read again for what was read once, also after a restart', async () => {
    const before = modelReads().length;
    server.process.kill('SIGTERM');
    server = await restartServer(server, aws);
    expect(await answer(server)).toBe(4);
    expect(modelReads()).toHaveLength(before);
  });

  it('has weights in a file of their own where a model is too large for one, and checks both', async () => {
    await writeFixture(root(), 'sum', 5, wideSum(5), 1024);
    const partial = join(server.settings.stateDir, 'store', 'partial');
    store.breakOnce('model.onnx.data', 99, () =>
      until(() => hasFileOf(partial, 99), 'the first bytes on disk'),
    );
    expect((await reload(server)).json).toEqual({ changed: true });
    expect(await answer(server)).toBeCloseTo(10, 5);
    expect(modelReads().slice(-3)).toEqual([
      'GET /models/of%20ours/sum/5/model.onnx',
      'GET /models/of%20ours/sum/5/model.onnx.data',
      'GET /models/of%20ours/sum/5/model.onnx.data bytes=99-',
    ]);
    await writeFixture(root(), 'sum', 6, wideSum(6), 1024);
    await cp(join(root(), 'sum', '5', 'model.onnx.data'), join(root(), 'sum', '6', 'model.onnx.data'));
    expect((await reload(server)).json.error).toMatch(/sum version 6: model\.onnx\.data has sha256/);
    expect(await answer(server)).toBeCloseTo(10, 5);
    await rm(join(root(), 'sum', '6'), { recursive: true });
  });

  it('fetches no model that nobody who is trusted has signed', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const trustedKeys = [publicKey.export({ type: 'spki', format: 'pem' }).toString()];
    const files = new S3Files('s3://models/of ours', { region: s3Region, endpoint: store.url });
    const before = modelReads().length;
    await expect(new Mirror(files, join(folder, 'mirror'), trustedKeys).folderOf('sum', 1)).rejects.toThrow(
      /it is not signed/,
    );
    expect(modelReads()).toHaveLength(before);
  });

  it('says so where the keys are wrong', async () => {
    const settings = { region: 'us-east-1', endpoint: store.url };
    await expect(new S3Files('s3://models/of ours', settings).models()).rejects.toThrow(
      /s3:\/\/models\/of ours\/: HTTP 403 .*SignatureDoesNotMatch/,
    );
  });
});

describe('a repository on a web server', () => {
  let folder: string;
  let store: FileServer;
  let server: TestServer;
  const index = (text: string) => writeFile(join(folder, 'index.json'), text);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-http-'));
    await writeFixture(folder, 'sum', 1, scaledSum(1));
    await index('{"sum": [1]}');
    await writeFile(join(folder, 'token'), 'a token\n');
    store = await serveFiles(folder, (request, _url, response) => {
      if (request.headers.authorization === 'Bearer a token') return false;
      response.writeHead(401).end();
      return true;
    });
    const elsewhere = { modelRoot: store.url, store: { credentialsDir: folder }, pollSeconds: 0.2 };
    server = await startServer({}, elsewhere);
  });
  afterAll(async () => {
    await server?.stop();
    await store?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is looked at by itself, and a version that does not load is tried once', async () => {
    expect(await answer(server)).toBe(2);
    await writeFixture(folder, 'sum', 2, scaledSum(2));
    await writeFile(join(folder, 'sum', '2', 'model.onnx'), 'broken');
    await index('{"sum": [1, 2]}');
    await until(async () => (await status(server)).length === 2, 'the refusal is told');
    await rm(join(folder, 'sum', '2'), { recursive: true });
    await writeFixture(folder, 'sum', 3, scaledSum(3));
    await index('{"sum": [1, 3]}');
    await until(async () => (await answer(server)) === 6, 'version 3 answers');
    expect(await metricOf(server, 'modelmile_reloads_total', { result: 'refused' })).toBe(1);
    expect((await status(server)).map(({ state }: { state: string }) => state)).toEqual(['AVAILABLE']);
  });

  it('is read from the start again where what is here of it is not its beginning, or no longer all of it', async () => {
    await writeFixture(folder, 'kept', 1, scaledSum(7));
    const mirrored = join(folder, 'mirror');
    const mirror = new Mirror(new HttpFiles(store.url, { credentialsDir: folder }), mirrored, []);
    const manifest = JSON.parse(await readFile(join(folder, 'kept', '1', 'manifest.json'), 'utf8'));
    await mkdir(join(mirrored, 'partial'), { recursive: true });
    await writeFile(
      join(mirrored, 'partial', manifest.artifact.model.sha256),
      'zeros of a disk that lost power',
    );
    const whole = await readFile(join(folder, 'kept', '1', 'model.onnx'));
    const kept = join(await mirror.folderOf('kept', 1), 'model.onnx');
    expect(await readFile(kept)).toEqual(whole);
    await writeFile(kept, '');
    await mirror.folderOf('kept', 1);
    expect(await readFile(kept)).toEqual(whole);
    await rm(kept);
    await rm(join(kept, '..', 'manifest.json'));
    await mirror.folderOf('kept', 1);
    expect(await readFile(kept)).toEqual(whole);
  });

  it('leaves neither transfers that nobody goes on with nor old versions on the disk', async () => {
    const mirrored = join(folder, 'pruned');
    const mirror = new Mirror(new HttpFiles(store.url, { credentialsDir: folder }), mirrored, []);
    const folders: string[] = [];
    for (let version = 1; version <= 6; version++) {
      await writeFixture(folder, 'many', version, scaledSum(version));
      folders.push(await mirror.folderOf('many', version));
    }
    await mkdir(join(mirrored, 'partial'), { recursive: true });
    await writeFile(join(mirrored, 'partial', 'of a version that is gone'), 'half');
    await mirror.prune([folders[0]!]);
    const kept = [0, 3, 4, 5].map((index) => folders[index]!);
    expect((await readdir(mirrored)).map((name) => join(mirrored, name)).sort()).toEqual(kept.sort());
    await mirror.folderOf('many', 2);
  });

  it('may be away: what was loaded serves on', async () => {
    await index('not JSON');
    const refused = await reload(server);
    expect(refused.status).toBe(503);
    expect(refused.json.error).toMatch(/index\.json is not of the form/);
    expect(await answer(server)).toBe(6);
  });
});

describe('a repository in a folder', () => {
  it('is read again at SIGHUP', async () => {
    const server = await startServer({ sum: { 1: scaledSum(1) } });
    try {
      expect(await answer(server)).toBe(2);
      await writeFixture(server.settings.modelRoot, 'sum', 2, scaledSum(2));
      server.process.kill('SIGHUP');
      await until(async () => (await answer(server)) === 4, 'version 2 answers');
    } finally {
      await server.stop();
    }
  });

  it('may be written while it is looked at: a version is served when all of it is there, and signed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelmile-written-'));
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const [root, beside] = [join(folder, 'root'), join(folder, 'beside')];
    for (const [into, version] of [
      [root, 1],
      [beside, 2],
    ] as const) {
      await writeFixture(into, 'sum', version, scaledSum(version));
      const path = join(into, 'sum', String(version));
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      const manifest = await readFile(join(path, 'manifest.json'));
      await writeFile(join(path, 'manifest.json.sig'), signManifest(manifest, pem));
    }
    const trustedKeys = [publicKey.export({ type: 'spki', format: 'pem' }).toString()];
    const server = await startServer({}, { modelRoot: root, trustedKeys, pollSeconds: 0.1 });
    const whole = (file: string) => readFile(join(beside, 'sum', '2', file));
    const write = (file: string, bytes: Buffer) => writeFile(join(root, 'sum', '2', file), bytes);
    const refusals = () => metricOf(server, 'modelmile_reloads_total', { result: 'refused' });
    try {
      await mkdir(join(root, 'sum', '2'));
      await until(async () => (await refusals()) === 1, 'there is no manifest');
      await write('manifest.json', await whole('manifest.json'));
      await until(async () => (await refusals()) === 2, 'there is no signature');
      await write('manifest.json.sig', await whole('manifest.json.sig'));
      await until(async () => (await refusals()) === 3, 'there is no model');
      const model = await whole('model.onnx');
      await write('model.onnx', model.subarray(0, 99));
      // Looked at again and again, said once.
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await refusals()).toBe(3);
      expect(await answer(server)).toBe(2);
      await write('model.onnx', model);
      await until(async () => (await answer(server)) === 4, 'version 2 answers');
    } finally {
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });

  it('may be away: all that was loaded serves on, and nothing is wrong any more when it is back', async () => {
    const server = await startServer({ sum: { 1: scaledSum(1) } }, { pollSeconds: 0.1 });
    const { modelRoot, stateDir } = server.settings;
    const refusal = async () => (await readServerState(stateDir))?.refusal;
    try {
      await rename(modelRoot, `${modelRoot}.away`);
      await until(
        async () => (await refusal())?.includes(`there is no folder ${modelRoot}`) === true,
        'it is found to be away',
      );
      expect(await answer(server)).toBe(2);
      await rename(`${modelRoot}.away`, modelRoot);
      await until(async () => (await refusal()) === '', 'it is found to be back');
      await mkdir(join(modelRoot, 'sum', '2'));
      await until(async () => (await status(server)).length === 2, 'a version is refused');
      await rm(join(modelRoot, 'sum', '2'), { recursive: true });
      await until(async () => (await status(server)).length === 1, 'it is forgotten');
      expect(await answer(server)).toBe(2);
    } finally {
      await server.stop();
    }
  });

  it('has the models behind links too, and none in hidden folders', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelmile-links-'));
    for (const name of ['elsewhere/1', 'root/own/1', 'root/.hidden/1'])
      await mkdir(join(folder, name), { recursive: true });
    await symlink(join(folder, 'elsewhere'), join(folder, 'root', 'linked'));
    await symlink('/nowhere', join(folder, 'root', 'broken'));
    expect(await new FolderStore(join(folder, 'root')).models()).toEqual(['linked', 'own']);
    await rm(folder, { recursive: true });
  });

  it('is refused by name where a folder in it cannot be a model', async () => {
    const modelRoot = await mkdtemp(join(tmpdir(), 'modelmile-names-'));
    await mkdir(join(modelRoot, 'my model', '1'), { recursive: true });
    const settings = ServingSettings.parse({ modelRoot, stateDir: '/nowhere' });
    await expect(chooseModels(settings, new FolderStore(modelRoot))).rejects.toMatchObject({
      code: 'SERVING_LOAD_FAILED',
      message: expect.stringMatching(/'my model'.*letters, digits, dot, dash, underscore/),
    });
    await rm(modelRoot, { recursive: true });
  });

  it.each([
    ['http://models.example/root', /not encrypted/],
    ['models', /must be an absolute folder/],
    ['s3://models', /region of s3:\/\/models is not known/],
    ['s3://Models/x', /not of the form/],
  ])('is refused as %s', (modelRoot, why) => {
    const { AWS_REGION: _, ...env } = process.env;
    process.env = env;
    expect(() => openStore({ modelRoot, stateDir: '/nowhere', store: {}, trustedKeys: [] })).toThrow(why);
  });
});
