import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commands } from '../../cli/commands/index.ts';
import { repository } from '../support/checkout.ts';
import { runNode } from '../support/run-node.ts';

describe('the command line', () => {
  let folder: string;
  const modelmile = (...args: string[]) =>
    runNode([join(repository, 'toolchain/bin/modelmile.mjs'), ...args], {
      cwd: folder,
      env: { MODELMILE_HOME: join(folder, 'home') },
    });
  const model = join(repository, 'samples/digits/model.h5');

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelmile-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    [['nonsense'], "no command 'nonsense'"],
    [['convert'], '0 arguments given'],
    [['score', model], '1 argument given'],
    [['convert', model, '--nonsense'], '--nonsense'],
    [['convert', model, '--budget', 'cheap'], 'as in error:0.05 or accuracy:0.5'],
    [['convert', model, '--recipe', 'nowhere.json'], "--recipe 'nowhere.json' cannot be used"],
    [['convert', model, '--sign', model], 'openssl genpkey -algorithm ed25519'],
    [['convert', model, '--sign', 'nowhere.pem'], 'is no Ed25519 private key in PEM (ENOENT'],
    [['serve', model, '--name', '../../escaped'], "--name '../../escaped'"],
    [['serve', model, '--port', 'abc'], "--port 'abc': a whole number from 0 to 65535"],
    [['serve', model, '--workers', '-1'], '--workers'],
  ])('refuses %j as a mistake in its use, before any work', async (args, text) => {
    const { code, stdout, stderr } = await modelmile(...args);
    expect(stderr).toContain(text);
    expect([code, stdout]).toEqual([2, '']);
  });

  it.each(['labels', 'calibration', 'golden', 'custom'])(
    'says that the file of --%s is not there before it converts',
    async (name) => {
      const { code, stdout, stderr } = await modelmile('convert', model, `--${name}`, 'nowhere.npz');
      expect(stderr).toContain(`--${name} 'nowhere.npz': there is no such file. Check the path`);
      expect(stderr).not.toContain('reading');
      expect([code, stdout]).toEqual([1, '']);
    },
  );

  it.each(['serve', 'inspect'])(
    'says that the file of --custom is not there before it reads for %s',
    async (name) => {
      const { code, stdout, stderr } = await modelmile(name, model, '--custom', 'nowhere.mjs');
      expect(stderr).toContain("--custom 'nowhere.mjs': there is no such file. Check the path");
      expect(stderr).not.toContain('reading');
      expect([code, stdout]).toEqual([1, '']);
    },
  );

  it.each([
    [['render', '--stack', 'dev', '--out', '.'], 'no Kubernetes objects. Name a stack on kubernetes or aws'],
    [['render', '--stack', 'nope', '--out', '.'], "no stack 'nope'. A stack is a file Pulumi.<stack>.yaml"],
    [['env', 'nope'], "no stack 'nope'. A stack is a file Pulumi.<stack>.yaml"],
  ])('refuses %j, a stack that has none of it, and empties no folder', async (args, text) => {
    const rendered = join(folder, 'kustomization.yaml');
    writeFileSync(rendered, '');
    const { code, stdout, stderr } = await modelmile(...args);
    expect(stderr).toContain(text);
    expect([code, stdout, existsSync(rendered)]).toEqual([1, '', true]);
  });

  // Its file system says of a new folder that there is no such one; elsewhere the file in the way refuses it.
  const nowhere = existsSync('/proc') ? '/proc/modelmile/1' : join(model, '1');

  it('refuses a folder that cannot be made before it converts, without going on for ever', async () => {
    const { code, stdout, stderr } = await modelmile('convert', model, '--out', nowhere);
    expect(stderr).toContain(`${nowhere}: E`);
    expect(stderr).toContain('Check the rights');
    expect(stderr).not.toContain('converting');
    expect([code, stdout]).toEqual([1, '']);
  }, 20_000);

  it('writes a version once: another one does not take its place, and the recipe of auto is followed', async () => {
    const out = join(folder, 'digits', '1');
    const labels = join(repository, 'samples/digits/heldout.npz');
    const auto = await modelmile(
      'convert',
      model,
      '--method',
      'auto',
      '--labels',
      labels,
      '--budget',
      'accuracy:0.5',
      '--out',
      out,
      '--json',
    );
    const { digest, candidates } = JSON.parse(auto.stdout) as { digest: string; candidates: unknown[] };
    expect(candidates.length).toBeGreaterThan(3);
    expect(existsSync(join(out, 'pareto.svg'))).toBe(true);
    const other = await modelmile('convert', model, '--out', out);
    expect(other.stderr).toContain(`${out} holds another version`);
    expect(other.code).toBe(1);
    const again = await modelmile(
      'convert',
      model,
      '--recipe',
      join(out, 'recipe.json'),
      '--labels',
      labels,
      '--out',
      join(folder, 'digits', '2'),
      '--json',
    );
    expect((JSON.parse(again.stdout) as { manifest: { recipe: unknown } }).manifest.recipe).toEqual(
      (JSON.parse(auto.stdout) as { manifest: { recipe: unknown } }).manifest.recipe,
    );
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    const verified = await modelmile('verify', model, out, '--labels', labels);
    expect(verified.stdout + verified.stderr).toContain('the same');
    // The second one was held to another budget.
    const second = await modelmile('verify', model, join(folder, 'digits', '2'), '--labels', labels);
    expect(second.stdout + second.stderr).toContain('the same');
  }, 120_000);

  it('explains every command', async () => {
    for (const name of Object.keys(commands)) {
      const { code, stdout } = await modelmile(...name.split(' '), '--help');
      expect([name, code]).toEqual([name, 0]);
      expect(stdout).toContain(`modelmile ${name}`);
    }
  }, 120_000);
});
