import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cached, cacheKey, findOnPath, pinnedVersion } from '../../toolchain/pulumi-cli.mjs';
import { repository } from '../support/checkout.ts';
import { type CommandResult, runNode } from '../support/run-node.ts';

describe('a machine without Pulumi, Go or internet', () => {
  let folder: string;
  let bare: Record<string, string>;
  const modelmile = (...args: string[]): Promise<CommandResult> =>
    runNode(['toolchain/bin/modelmile.mjs', ...args], { cwd: repository, env: bare });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelmile-bare-'));
    mkdirSync(join(folder, 'bin'));
    symlinkSync(process.execPath, join(folder, 'bin', 'node'));
    bare = {
      PATH: join(folder, 'bin'),
      MODELMILE_CACHE: join(folder, 'cache'),
      MODELMILE_HOME: join(folder, 'home'),
      // Nothing listens there: the download fails at once.
      HTTPS_PROXY: 'http://127.0.0.1:1',
      https_proxy: 'http://127.0.0.1:1',
    };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is told what was tried and both ways to get what is missing', async () => {
    const { code, stderr } = await modelmile('up');
    expect(code).toBe(1);
    expect(stderr).toContain(`Pulumi ${pinnedVersion} could not be had`);
    expect(stderr).toMatch(/the official download: /);
    expect(stderr).toContain('a build from Go modules: Go is not installed');
    expect(stderr).toMatch(/install it yourself .*\n.*or install Go/);
    expect(stderr).not.toMatch(/\n\s+at .+:\d+:\d+/);
  }, 60_000);

  it('still converts: that needs neither', async () => {
    const out = join(folder, 'converted', '1');
    const { code } = await modelmile('convert', 'samples/digits/model.h5', '--out', out);
    expect(code).toBe(0);
  }, 60_000);

  it('hears from `doctor` what is there and what is missing', async () => {
    const { stdout } = await modelmile('doctor');
    expect(stdout).toMatch(/node/i);
    expect(stdout).toMatch(/pulumi/i);
    expect(stdout).toMatch(/go/i);
  }, 60_000);

  it('waits for a set-up that another process has begun, and takes over from one that was killed', async () => {
    const lock = join(folder, 'cache', 'pulumi', `${cacheKey()}.lock`);
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, '');
    const touched = new Date(Date.now() - 5_000);
    utimesSync(lock, touched, touched);
    const { stderr } = await modelmile('up');
    expect(stderr).toContain('another process is getting Pulumi: waiting for it');
    expect(stderr).toContain('could not be had');
  }, 60_000);

  it('takes neither a `pulumi` that is too old nor one without a language host', async () => {
    const fake = (name: string, version: string, host: boolean) => {
      const place = join(folder, name);
      mkdirSync(place);
      writeFileSync(join(place, 'pulumi'), `#!/bin/sh\necho v${version}\n`, { mode: 0o755 });
      if (host) writeFileSync(join(place, 'pulumi-language-nodejs'), '', { mode: 0o755 });
      return { PATH: place };
    };
    expect(await findOnPath(fake('old', '3.100.0', true))).toBeUndefined();
    expect(await findOnPath(fake('no-host', pinnedVersion, false))).toBeUndefined();
    const fitting = await findOnPath(fake('fits', pinnedVersion, true));
    expect(fitting).toEqual({ folder: join(folder, 'fits'), version: pinnedVersion });
    expect(cached({ MODELMILE_CACHE: join(folder, 'nothing') })).toBeUndefined();
  });
});
