import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Dispatcher, request as send } from 'undici';
import { readServerState } from '../../serving/contract/index.ts';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout, digits } from '../support/checkout.ts';
import { Load, until } from '../support/load.ts';

/** The real engine; `npm test` gets it where it can be had. */
const engine = cached() ?? (await findOnPath());
const suite = engine === undefined ? describe.skip : describe;

const second = { name: 'second', source: 'test/conversion/fixtures/keras3-sequential.h5' };
const secondBody = JSON.stringify({ instances: [Array.from({ length: 4 }, () => [0.1, 0.2, 0.3])] });
const digit = JSON.stringify({ inputs: [{ data: Array.from({ length: 784 }, (_, i) => (i % 28) / 28) }] });
/** A connection of its own: what a killed process leaves of a kept one says nothing about the next process. */
const request = (
  url: string,
  options: { method?: Dispatcher.HttpMethod; body?: string; headers?: Record<string, string> } = {},
) => send(url, { ...options, reset: true });
const isAnswer = (answer: unknown) => {
  const { outputs, predictions } = answer as { outputs?: number[][]; predictions?: number[][] };
  return (outputs ?? predictions)?.[0]?.length !== undefined;
};

suite('the dev stack, through the real engine', () => {
  let checkout: Checkout;
  const predictUrl = (model: string) => `${checkout.endpoint}/v1/models/${model}:predict`;
  const statusOf = async (model: string) => {
    const { body } = await request(`${checkout.endpoint}/v1/models/${model}`);
    return ((await body.json()) as { model_version_status: { version: string; state: string }[] })
      .model_version_status;
  };

  beforeAll(async () => {
    // Wherever a user may have put it.
    checkout = await Checkout.create([digits], 'modelmile #1, 100%20 é -');
    const { code, stderr } = await checkout.modelmile('up');
    expect(`${code} ${stderr}`).toMatch(/^0 /);
  }, 180_000);
  afterAll(() => checkout?.remove(), 120_000);

  it('changes nothing when there is nothing to change', async () => {
    const { code, stderr } = await checkout.modelmile('up');
    expect(code).toBe(0);
    expect(stderr).toMatch(/3 unchanged/);
    expect(stderr).not.toMatch(/updated|created/);
  }, 120_000);

  it('refuses five numbers with what was expected, and the request that it shows works', async () => {
    const body = '{"inputs":[{"data":[0.1, 0.2, 0.3, 0.4, 0.5]}]}';
    const refused = await request(predictUrl('model'), {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(refused.statusCode).toBe(400);
    const { error } = (await refused.body.json()) as { error: string };
    expect(error).toContain("'pixels'");
    expect(error).toContain('[-1,784]');
    expect(error).toMatch(/got 5\b/);
    const example = error.slice(error.indexOf('A request that works: ') + 'A request that works: '.length);
    const answered = await request(predictUrl('model'), { method: 'POST', body: example });
    expect(answered.statusCode).toBe(200);
    await answered.body.dump();
  });

  it('adds and removes a model while the other answers without a failure', async () => {
    checkout.configure([digits, second]);
    const load = new Load(predictUrl('model'), digit, 4, isAnswer);
    expect((await checkout.modelmile('up')).code).toBe(0);
    const answer = await request(predictUrl('second'), { method: 'POST', body: secondBody });
    expect(answer.statusCode).toBe(200);
    await answer.body.dump();
    checkout.configure([digits]);
    expect((await checkout.modelmile('up')).code).toBe(0);
    const { answered, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(50);
    const gone = await request(predictUrl('second'), { method: 'POST', body: secondBody });
    expect(gone.statusCode).toBe(404);
    await gone.body.dump();
  }, 240_000);

  it('shows a retrained model before anything changes, serves it without a failure, and rolls back without the file', async () => {
    const source = checkout.path('samples', 'digits', 'model.h5');
    const original = readFileSync(source);
    copyFileSync(checkout.path('test', 'conversion', 'fixtures', 'keras3-sequential.h5'), source);
    // Another file under the same name: without labels, for it answers another question.
    checkout.configure([{ name: 'model', source: digits.source }]);
    const preview = await checkout.modelmile('preview');
    expect(preview.stdout).toMatch(/version\s+: \d+ => \d+/);
    expect(preview.stdout).toMatch(/digest\s+: "[0-9a-f]{64}" => "[0-9a-f]{64}"/);
    expect(preview.stdout).toMatch(/sizeBytes\s+: \d+ => \d+/);
    expect(preview.stdout).toMatch(/parityMaxRelError\s*: /);
    const before = (await statusOf('model'))[0]!.version;
    writeFileSync(source, original);
    checkout.configure([{ ...digits, method: 'none' } as typeof digits]);
    copyFileSync(checkout.path('samples', 'digits', 'model.h5'), checkout.path('kept.h5'));

    // A version that differs in its recorded accuracy only, so that every answer can be checked under load.
    checkout.configure([{ name: 'model', source: digits.source }]);
    const load = new Load(predictUrl('model'), digit, 4, isAnswer);
    expect((await checkout.modelmile('up')).code).toBe(0);
    const { failures, answered } = await load.stop();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(20);
    const after = (await statusOf('model'))[0]!.version;
    expect(Number(after)).toBe(Number(before) + 1);

    rmSync(source);
    const rollback = await checkout.modelmile('rollback', 'model');
    expect(`${rollback.code} ${rollback.stderr}`).toMatch(/^0 /);
    expect(Number((await statusOf('model'))[0]!.version)).toBe(Number(after) + 1);
    const plain = await checkout.modelmile('up');
    expect(plain.stderr).toMatch(/3 unchanged/);
    checkout.configure([{ ...digits, source: 'samples/digits/modle.h5' }]);
    const mistyped = await checkout.modelmile('up');
    expect([mistyped.code, mistyped.stderr]).toEqual([
      1,
      expect.stringContaining('modle.h5: there is no such file'),
    ]);
    writeFileSync(source, original);
    checkout.configure([digits]);
    expect((await checkout.modelmile('up')).code).toBe(0);
  }, 300_000);

  it.each([
    [
      'a truncated file',
      (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 40_000)),
      /damaged or was cut short/,
    ],
    [
      'a damaged file',
      (path: string) => writeFileSync(path, readFileSync(path).fill(0xff, 800, 2600)),
      /model\.h5: HDF5: [^\n]+\. The file is damaged/,
    ],
    [
      'an unsupported layer',
      (path: string) => copyFileSync(checkout.path('test/conversion/fixtures/unsupported.h5'), path),
      /custom_scale/,
    ],
    [
      'a model whose answers are not its own after conversion',
      (path: string) => copyFileSync(checkout.path('test/conversion/fixtures/overflows.h5'), path),
      /first layer that differs is 'too_large'/,
    ],
  ])(
    'refuses %s with a sentence, and the old version keeps answering',
    async (_name, damage, message) => {
      const source = checkout.path('samples', 'digits', 'model.h5');
      const original = readFileSync(source);
      const load = new Load(predictUrl('model'), digit, 2, isAnswer);
      damage(source);
      const { code, stderr } = await checkout.modelmile('up');
      writeFileSync(source, original);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/\n\s+at .+:\d+:\d+/);
      const { failures } = await load.stop();
      expect(failures).toEqual([]);
    },
    120_000,
  );

  it('shows the drift after kill -9 of the supervisor, and heals it', async () => {
    expect((await checkout.modelmile('drift')).code).toBe(0);
    const state = await readServerState(checkout.stateDir);
    process.kill(state!.pid, 'SIGKILL');
    await until(
      async () => (await readServerState(checkout.stateDir)) === undefined,
      'the supervisor is gone',
    );
    expect((await checkout.modelmile('drift', 'dev')).code).toBe(1);
    const preview = await checkout.modelmile('preview', 'dev', '--refresh');
    expect(preview.stdout).toMatch(/LocalServer/);
    expect(preview.stdout).toMatch(/1 to create|\+ modelmile:index:LocalServer/);
    const up = await checkout.modelmile('up', 'dev');
    expect(up.code).toBe(0);
    expect((await statusOf('model'))[0]!.state).toBe('AVAILABLE');
  }, 180_000);

  it('has a worker back soon after its kill -9', async () => {
    const [worker] = (await readServerState(checkout.stateDir))!.workers;
    const killedMs = Date.now();
    process.kill(worker!.pid, 'SIGKILL');
    const answer = await request(predictUrl('model'), { method: 'POST', body: digit });
    await answer.body.dump();
    expect(answer.statusCode).toBe(200);
    // A second and a half beside other work on two cores; a machine under load gets some more.
    expect(Date.now() - killedMs).toBeLessThan(5_000);
  }, 60_000);

  it('answers a plain `npx pulumi preview -s dev`', async () => {
    const { code, stdout } = await checkout.pulumi('preview', '-s', 'dev', '--non-interactive');
    expect(code).toBe(0);
    expect(stdout).toMatch(/3 unchanged/);
  }, 60_000);

  it('tells the second of two `up` at once to wait, and breaks nothing', async () => {
    checkout.configure([digits, second]);
    const results = await Promise.all([checkout.modelmile('up'), checkout.modelmile('up')]);
    const codes = results.map(({ code }) => code).sort();
    expect(codes[0]).toBe(0);
    const loser = results.find(({ code }) => code !== 0);
    if (loser !== undefined) expect(loser.stderr).toMatch(/Another command is changing the stack/);
    checkout.configure([digits]);
    const { code } = await checkout.modelmile('up');
    expect(code).toBe(0);
  }, 240_000);

  it('goes down without a process, a port or a state left, and twice is fine', async () => {
    const state = await readServerState(checkout.stateDir);
    // What was made by other settings comes down too.
    checkout.configure([{ ...digits, method: 'auto' } as typeof digits]);
    expect((await checkout.modelmile('down')).code).toBe(0);
    checkout.configure([digits]);
    expect(() => process.kill(state!.pid, 0)).toThrow();
    await expect(request(`${checkout.endpoint}/v1/models/model`)).rejects.toThrow();
    expect(existsSync(checkout.path('.modelmile', 'dev', 'models', 'model'))).toBe(false);
    const stacks = checkout.path('.modelmile', 'state', '.pulumi', 'stacks', 'modelmile');
    expect(existsSync(stacks) ? readdirSync(stacks).filter((file) => file.endsWith('.json')) : []).toEqual(
      [],
    );
    const again = await checkout.modelmile('down');
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('down already');
    const drift = await checkout.modelmile('drift');
    expect(drift.code).toBe(1);
    expect(drift.stderr).toMatch(/^error: The stack 'dev' is down.*`modelmile up/);
  }, 120_000);

  it('says which port is taken, and starts once it is free', async () => {
    const blocker = createServer().listen(checkout.ports.rest, '127.0.0.1');
    await until(() => blocker.listening, 'the port is taken');
    const refused = await checkout.modelmile('up');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain(`Cannot listen on port ${checkout.ports.rest}`);
    expect(refused.stderr).toContain('modelmile:restPort, modelmile:grpcPort, modelmile:managementPort');
    await new Promise((resolve) => blocker.close(resolve));
    expect((await checkout.modelmile('up')).code).toBe(0);
  }, 180_000);

  it('names the stack file that is no YAML', async () => {
    writeFileSync(checkout.path('Pulumi.dev.yaml'), 'config:\n  a: [b\n');
    const refused = await checkout.modelmile('up');
    checkout.configure([digits]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/error: Pulumi\.dev\.yaml: .*line 3/),
    ]);
  }, 60_000);
});
