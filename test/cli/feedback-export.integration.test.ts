import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { homePaths } from '../../serving/contract/index.ts';
import { scaledSum } from '../serving/support/models.ts';
import { startServer, type TestServer } from '../serving/support/server.ts';
import { repository } from '../support/checkout.ts';
import { runNode } from '../support/run-node.ts';

const earlier = '{"label":4}\n';

describe('an export of feedback that there is none of', () => {
  let home: string;
  let work: string;
  let server: TestServer | undefined;
  beforeAll(() => {
    [home, work] = [
      mkdtempSync(join(tmpdir(), 'modelmile-home-')),
      mkdtempSync(join(tmpdir(), 'modelmile-out-')),
    ];
  });
  afterAll(async () => {
    await server?.stop();
    for (const folder of [home, work]) rmSync(folder, { recursive: true, force: true });
  });

  const exported = (...args: string[]) => {
    writeFileSync(join(work, 'feedback.jsonl'), earlier);
    return runNode([join(repository, 'toolchain/bin/modelmile.mjs'), 'feedback', 'export', ...args], {
      cwd: work,
      env: { MODELMILE_HOME: home },
    });
  };

  it('leaves an earlier file and nothing else where no server runs', async () => {
    const { code, stderr } = await exported('model');
    expect([code, stderr]).toEqual([1, expect.stringContaining('No server is running')]);
    expect(readdirSync(work)).toEqual(['feedback.jsonl']);
    expect(readFileSync(join(work, 'feedback.jsonl'), 'utf8')).toBe(earlier);
  }, 60_000);

  it('refuses a name that no model has, and leaves an earlier file', async () => {
    const { stateDir } = homePaths(repository, { MODELMILE_HOME: home });
    mkdirSync(stateDir, { recursive: true });
    server = await startServer({ known: { 1: scaledSum(1) } }, { stateDir });
    const wrong = await exported('unknown');
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringContaining("no feedback to a model 'unknown'"),
    ]);
    expect(readdirSync(work)).toEqual(['feedback.jsonl']);
    expect(readFileSync(join(work, 'feedback.jsonl'), 'utf8')).toBe(earlier);
    const right = await exported('known');
    expect([right.code, readFileSync(join(work, 'feedback.jsonl'), 'utf8')]).toEqual([0, '']);
  }, 120_000);
});
