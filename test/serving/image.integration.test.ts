import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { convert, writeVersion } from '../../conversion/index.ts';
import { readServerState, type ServingSettingsInput } from '../../serving/contract/index.ts';
import { until } from '../support/load.ts';
import { nodeBinary } from '../support/node-image.ts';
import { expected, fixture } from './processing/fixtures.ts';
import { ask } from './support/requests.ts';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
/** The release of Node that the image carries; without it these tests count as skipped. */
const node = await nodeBinary();
const suite = node === undefined ? describe.skip : describe;

suite("the image's code, without its types and without tsx", () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-code-'));
  const at = (...names: string[]) => join(folder, ...names);
  const free = { host: '127.0.0.1', port: 0 };
  const settings: ServingSettingsInput = {
    modelRoot: at('models'),
    stateDir: at('state'),
    rest: free,
    grpc: free,
    management: free,
    workers: 1,
    logLevel: 'error',
  };
  let server: ReturnType<typeof spawn>;
  let rest: string;
  let said = '';

  beforeAll(async () => {
    const code = join(checkout, 'toolchain', 'image', 'code.mjs');
    await promisify(execFile)(node!, ['--disable-warning=ExperimentalWarning', code, checkout, folder]);
    symlinkSync(join(checkout, 'node_modules'), at('app', 'node_modules'));
    await writeVersion(await convert(fixture('shapes.h5')), at('models', 'shapes', '1'));
    writeFileSync(at('settings.json'), JSON.stringify(settings));
    const env = { PATH: process.env['PATH'], NODE_ENV: 'production' };
    server = spawn(node!, ['serving/main.js', '--settings', at('settings.json')], {
      cwd: at('app'),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [server.stdout, server.stderr]) stream?.on('data', (text) => (said += text));
    const state = async () => readServerState(settings.stateDir).catch(() => undefined);
    await until(async () => (await state())?.workers[0]?.ready === true, 'the code serves', 120_000);
    rest = `http://127.0.0.1:${(await state())?.rest.port}`;
  }, 180_000);
  afterAll(async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }, 180_000);

  it("gives a picture the class that Keras's own pipeline gives, each of them", async () => {
    const instances = expected.pictures.map(({ file }) => ({
      b64: readFileSync(fixture(file)).toString('base64'),
    }));
    const { json } = await ask(`${rest}/v1/models/shapes:predict`, { instances });
    const classes = json.predictions.map((row: { classes: string[] }) => row.classes[0]);
    expect(classes).toEqual(expected.pictures.map(({ label }) => label));
  });

  it('keeps feedback in the embedded database, which has a thread of its own', async () => {
    const picture = { b64: readFileSync(fixture(expected.pictures[0]!.file)).toString('base64') };
    const { headers } = await ask(`${rest}/v1/models/shapes:predict`, { instances: [picture] });
    const predictionId = headers.get('x-modelmile-prediction-id');
    const kept = await ask(`${rest}/v1/models/shapes:feedback`, { predictionId, label: 'disc' });
    expect([kept.status, said]).toEqual([200, said]);
  }, 180_000);

  it('shows its console and its documents', async () => {
    for (const path of ['/console', '/console/console.js', '/docs', '/docs/shapes'])
      expect([path, (await ask(rest + path)).status]).toEqual([path, 200]);
  });
});
