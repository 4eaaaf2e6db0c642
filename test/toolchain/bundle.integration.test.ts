import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readServerState } from '../../serving/contract/index.ts';
import { Checkout } from '../support/checkout.ts';
import { until } from '../support/load.ts';
import { type CommandResult, runNode } from '../support/run-node.ts';

const work = mkdtempSync(join(tmpdir(), 'modelmile-bundle-'));
let checkout: Checkout;

const bin = (...args: string[]): Promise<CommandResult> =>
  runNode([checkout.path('toolchain', 'bin', 'modelmile.mjs'), ...args], {
    cwd: work,
    env: { MODELMILE_HOME: checkout.path('.modelmile') },
  });
const bundles = () =>
  readdirSync(checkout.path('.modelmile', 'cache', 'bundle')).filter((name) => /^[0-9a-f]{16}$/.test(name));

beforeAll(async () => {
  checkout = await Checkout.create();
});
afterAll(async () => {
  await checkout.remove();
  rmSync(work, { recursive: true, force: true });
});

describe('the command as npx runs it', () => {
  it('is bundled once, however many start it at the same time', async () => {
    const first = await Promise.all([bin('--help'), bin('--help'), bin('env', '--help')]);
    expect(first.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(bundles()).toHaveLength(1);
  }, 60_000);

  it("starts the stack's provider from the same bundle", async () => {
    const [name] = bundles();
    appendFileSync(
      checkout.path('.modelmile', 'cache', 'bundle', name as string, 'provider.mjs'),
      "\nprocess.stdout.write('from the bundle');\nprocess.exit();\n",
    );
    const loader = checkout.path('toolchain', 'bin', 'program.mjs');
    const engine = createServer().listen(0, '127.0.0.1');
    await once(engine, 'listening');
    const { port } = engine.address() as AddressInfo;
    const { stdout, stderr } = await runNode(
      ['--import', loader, checkout.path('infra', 'provider', 'main.ts'), `127.0.0.1:${port}`],
      { cwd: work, env: { MODELMILE_HOME: checkout.path('.modelmile') } },
    );
    engine.close();
    expect([stdout, stderr]).toEqual([expect.stringContaining('from the bundle'), '']);
  }, 60_000);

  it('loads modules from what V8 has kept of it, too', async () => {
    // Read by a package of modules that is loaded for such files alone.
    const newer = checkout.path('test', 'conversion', 'fixtures', 'keras2-sequential-latest.h5');
    for (let run = 0; run < 2; run++)
      expect(await bin('profile', newer, '--json')).toMatchObject({ code: 0, stderr: '' });
    const folder = checkout.path('.modelmile', 'cache', 'bundle', bundles()[0] as string);
    const kept = readdirSync(folder).filter((name) => name.startsWith('command.cjs.profile-'));
    expect(kept).toHaveLength(1);
    expect(readFileSync(join(folder, 'command.cjs'), 'utf8')).not.toMatch(/\bimport\(/);
    rmSync(join(folder, kept[0] as string));
  }, 60_000);

  it('keeps what V8 compiles of it for each command that ends well, and compiles anew what was damaged', async () => {
    const folder = checkout.path('.modelmile', 'cache', 'bundle', bundles()[0] as string);
    const compiled = () =>
      readdirSync(folder)
        .filter((name) => name.startsWith('command.cjs.'))
        .map((name) => name.slice('command.cjs.'.length, name.lastIndexOf('-')));
    const inspect = () => bin('inspect', checkout.path('samples', 'digits', 'model.h5'), '--json');
    expect(compiled()).toEqual(['help']);
    expect((await bin('inspect', 'no-such-file.h5')).code).toBe(1);
    expect(compiled()).toEqual(['help']);
    const seen = await inspect();
    expect(seen).toMatchObject({ code: 0, stderr: '' });
    expect(compiled().sort()).toEqual(['help', 'inspect']);
    const kept = readdirSync(folder).find((name) => name.startsWith('command.cjs.inspect-')) as string;
    const path = join(folder, kept);
    const sound = readFileSync(path);
    const damages = [sound.subarray(0, 1000), Buffer.from(sound).fill(7, 5000, 50_000), Buffer.alloc(0)];
    for (const damaged of damages) {
      writeFileSync(path, damaged);
      expect(await inspect()).toEqual(seen);
      expect(readFileSync(path).length).toBeGreaterThan(sound.length / 2);
    }
    const made = statSync(path).mtimeMs;
    expect(await inspect()).toEqual(seen);
    expect(statSync(path).mtimeMs).toBe(made);
    const script = join(folder, 'command.cjs');
    writeFileSync(script, '');
    expect(await inspect()).toEqual(seen);
    expect(statSync(script).size).toBeGreaterThan(0);
  }, 60_000);

  it('is bundled again when a source has changed', async () => {
    appendFileSync(checkout.path('cli', 'help.ts'), "\nprocess.stdout.write('changed\\n');\n");
    expect((await bin('--help')).stdout).toContain('changed');
    expect(bundles()).toHaveLength(2);
  }, 60_000);

  it('is swept when nobody has used it for a day, and stays while a server runs that would start workers from it', async () => {
    const [first, second] = bundles().map((name) => checkout.path('.modelmile', 'cache', 'bundle', name));
    writeFileSync(join(first!, `used-by-${process.pid}`), '');
    writeFileSync(join(second!, 'used-by-4194305'), '');
    const before = Date.now() / 1000 - 48 * 3600;
    const unfinished = checkout.path('.modelmile', 'cache', 'bundle', 'current.json.1.part');
    writeFileSync(unfinished, '');
    for (const old of [first!, second!, unfinished]) utimesSync(old, before, before);
    appendFileSync(checkout.path('cli', 'help.ts'), "\nprocess.stdout.write('changed again\\n');\n");
    expect((await bin('--help')).stdout).toContain('changed again');
    expect([first!, second!, unfinished].map((old) => existsSync(old))).toEqual([true, false, false]);
  }, 60_000);

  it('takes layers of your own in TypeScript, whatever kind of module they are to Node', async () => {
    const layers = join(work, 'layers.ts');
    writeFileSync(
      layers,
      'const why: string = "reached";\nexport default { Ramp: { convert() { throw new Error(why); }, reference() {} } };\n',
    );
    const source = checkout.path('test', 'conversion', 'fixtures', 'custom', 'custom.h5');
    const { code, stderr } = await bin('convert', source, '--custom', layers);
    expect([code, stderr]).toEqual([1, expect.stringContaining("convert of 'Ramp': reached")]);
  }, 60_000);

  it.each([
    ['a bundle', '.modelmile'],
    ['the sources, where no bundle can be kept', 'package.json'],
  ])(
    'serves from %s',
    async (_, home) => {
      const stateDir = checkout.path('served');
      const settings = checkout.path('settings.json');
      const free = { host: '127.0.0.1', port: 0 };
      const models = checkout.path('models');
      mkdirSync(models, { recursive: true });
      const asked = { modelRoot: models, stateDir, rest: free, grpc: free, management: free, workers: 1 };
      writeFileSync(settings, JSON.stringify(asked));
      const server = spawn(
        process.execPath,
        [checkout.path('toolchain/bin/serve.mjs'), '--settings', settings],
        {
          env: { ...process.env, MODELMILE_HOME: checkout.path(home) },
          stdio: 'ignore',
        },
      );
      const ended = new Promise((resolve) => server.once('exit', resolve));
      const state = () => readServerState(stateDir).catch(() => undefined);
      await until(async () => (await state())?.workers[0]?.ready === true, 'it serves', 60_000);
      const { rest } = (await state())!;
      expect((await fetch(`http://127.0.0.1:${rest.port}/v2/health/live`)).status).toBe(200);
      server.kill('SIGTERM');
      expect(await ended).toBe(0);
    },
    120_000,
  );

  it('runs a source that cannot be compiled as it is, and shows what is wrong with it', async () => {
    writeFileSync(checkout.path('cli', 'figures.ts'), 'export const percent = (;\n');
    const { code, stderr } = await bin('convert', '--help');
    expect(code).toBe(1);
    expect(stderr).toMatch(/figures\.ts:1/);
  }, 60_000);
});
