import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const root = new URL('../../', import.meta.url);
const packageJson = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const page = readFileSync(new URL('docs/dependencies.md', root), 'utf8');
const rows = [...page.matchAll(/^\| (@?[a-z0-9/._-]+) \|(.+)\|$/gm)]
  .map((row) => ({ name: row[1]!, reason: row[2]!.trim() }))
  // The tables' own heads.
  .filter((row) => row.name !== 'package');

describe('docs/dependencies.md', () => {
  it('has one row with a reason for every dependency that comes from outside, and none for anything else', () => {
    const declared = Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies })
      .filter(([, version]) => !version.startsWith('file:'))
      .map(([name]) => name);
    const named = rows.map((row) => row.name);
    expect(named.sort()).toEqual(declared.sort());
    for (const row of rows) expect(row.reason.length).toBeGreaterThan(4);
  });

  it('runs on pinned versions only: what the product needs at run time is an exact version', () => {
    for (const [name, version] of Object.entries(packageJson.dependencies)) {
      expect(`${name} ${version}`).toMatch(/ (\d+\.\d+\.\d+|file:.+)$/);
    }
  });
});
