import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { repository } from '../../support/checkout.ts';
import { runNode } from '../../support/run-node.ts';
import { scaledSum, writeFixture } from '../support/models.ts';

describe('a server that cannot start', () => {
  let folder: string;
  let root: string;
  const serve = (...args: string[]) =>
    runNode([join(repository, 'toolchain/bin/serve.mjs'), ...args], { cwd: folder, env: {} });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-refused-'));
    root = join(folder, 'models');
    await writeFixture(root, 'sums', 1, scaledSum(1));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('shows how it is started, and no stack, where an option is unknown', async () => {
    const { code, stderr } = await serve('--setings', 'settings.json');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /^SERVING_BAD_SETTINGS: Unknown option '--setings'.*usage: main.ts --settings FILE.*\n$/,
      ),
    ]);
  });

  it.each([
    ['a version', () => ({ models: [{ name: 'sums', versionPolicy: { specific: [7] } }] }), 'models/sums/7'],
    ['a repository', () => ({ modelRoot: join(folder, 'nowhere') }), 'nowhere'],
  ])('says that %s is not there, and not that anything serves on', async (_what, changes, missing) => {
    const free = { port: 0 };
    const settings = {
      modelRoot: root,
      stateDir: join(folder, 'state'),
      rest: free,
      grpc: free,
      management: free,
    };
    const file = join(folder, 'settings.json');
    await writeFile(file, JSON.stringify({ ...settings, ...changes() }));
    const { code, stdout, stderr } = await serve('--settings', file);
    expect(code).toBe(1);
    expect(stderr).toContain(`there is no folder ${join(folder, missing)}`);
    expect(stderr).toContain('if any');
    expect(stdout).toContain('refused; nothing serves');
  });
});
