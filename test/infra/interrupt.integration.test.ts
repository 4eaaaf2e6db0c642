import { execFile } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request as send } from 'undici';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout } from '../support/checkout.ts';
import { until } from '../support/load.ts';

const list = promisify(execFile);

const engine = cached() ?? (await findOnPath());
const suite = engine === undefined ? describe.skip : describe;

suite('a command that is interrupted, through the real engine', () => {
  let checkout: Checkout;
  let upMs: number;

  const status = async (model: string) => {
    const { statusCode, body } = await send(`${checkout.endpoint}/v1/models/${model}`, { reset: true });
    await body.dump();
    return statusCode;
  };
  /** Programs, providers and language hosts of this checkout that run. */
  const startedByPulumi = async () => {
    const { stdout } = await list('ps', ['-eo', 'args']);
    const own = ['infra/provider/main.ts', 'cmd/run', 'language-host/host.mjs'];
    const lines = stdout.split('\n').filter((line) => line.includes(checkout.folder));
    return lines.filter((line) => own.some((part) => line.includes(part))).join('\n');
  };
  const up = async () => {
    const { code, stderr } = await checkout.modelmile('up');
    expect(`${code} ${stderr}`).toMatch(/^0 /);
  };

  beforeAll(async () => {
    checkout = await Checkout.create();
    const startedMs = Date.now();
    await up();
    upMs = Date.now() - startedMs;
  }, 180_000);
  afterAll(() => checkout?.remove(), 120_000);

  it.each([0.3, 0.7])(
    'stops `up` by Ctrl-C %d of the way through, and the next `up` goes on from there',
    async (share) => {
      expect((await checkout.modelmile('down')).code).toBe(0);
      const { code, stderr } = await checkout.interrupted(share * upMs, 'SIGINT', 'up');
      expect([0, 1, 130]).toContain(code);
      expect(stderr).not.toMatch(/\n\s+at .+:\d+:\d+/);
      await up();
      expect(await status('model')).toBe(200);
    },
    240_000,
  );

  it.each([0.6])(
    'goes on after a kill -9 of everything %d of the way through `up`, though the killed command still holds the stack',
    async (share) => {
      expect((await checkout.modelmile('down')).code).toBe(0);
      await checkout.interrupted(share * upMs, 'SIGKILL', 'up');
      await until(async () => (await startedByPulumi()) === '', 'nothing that Pulumi started is left');
      await up();
      expect(await status('model')).toBe(200);
      expect((await checkout.modelmile('up')).stderr).toContain('3 unchanged');
    },
    240_000,
  );

  it('goes on where a command was killed over what Pulumi keeps beside its state', async () => {
    await up();
    truncateSync(checkout.path('.modelmile', 'state', '.pulumi', 'stacks', 'modelmile', 'dev.json.attrs'));
    await up();
    expect(await status('model')).toBe(200);
  }, 240_000);

  it('stops `down` by Ctrl-C, and the next `down` ends it', async () => {
    await up();
    await checkout.interrupted(0.3 * upMs, 'SIGINT', 'down');
    const { code, stderr } = await checkout.modelmile('down');
    expect(`${code} ${stderr}`).toMatch(/^0 /);
    await expect(status('model')).rejects.toThrow();
    await up();
  }, 240_000);

  it('cancels the update where only the command itself is terminated', async () => {
    expect((await checkout.modelmile('down')).code).toBe(0);
    const { code } = await checkout.interrupted(/LocalServer server creating/, 'SIGTERM', 'up');
    expect(code).not.toBe(0);
    await up();
  }, 240_000);
});
