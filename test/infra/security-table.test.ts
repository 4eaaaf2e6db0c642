import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { rules } from '../../infra/policy/index.ts';

const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
const table = page.slice(page.indexOf('## Defaults'), page.indexOf('## What a NetworkPolicy'));
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, what, weak, here, heldBy]) => ({ what, weak, here, heldBy: heldBy! }));

describe('docs/security.md', () => {
  const folder = new URL('./', import.meta.url);
  const tests = readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n');

  it.each(rows.map((row) => [row.what, row.heldBy]))('names what holds the row "%s": %s', (_, heldBy) => {
    const [kind, ...words] = heldBy!.split(' ');
    if (kind === 'policy') expect(Object.keys(rules)).toContain(words.join(' '));
    else expect(tests).toMatch(new RegExp(`(it|test|each)\\(.*'.*${words.join(' ')}|\\('${words.join(' ')}`));
  });

  it('has a row for every mandatory policy', () => {
    const named = rows.map(({ heldBy }) => heldBy!.replace(/^policy /, ''));
    expect(Object.keys(rules).filter((rule) => !named.includes(rule))).toEqual([]);
  });
});
