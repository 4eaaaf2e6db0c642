import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const page = readFileSync(new URL('../../../docs/conformance.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| (.+) \| (\S+\.test\.ts): (.+) \|$/gm)].map(
  ([, what, file, title]) => [what, file, title] as [string, string, string],
);

describe('the table of what the protocols ask for', () => {
  it('is read to its end', () => {
    expect(rows.length).toBe(page.split('\n').filter((line) => line.startsWith('| ')).length - 3);
  });

  it.each(rows)('has a test for: %s', (_what, file, title) => {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
    const titles = [`'${title}'`, `"${title}"`, `\`${title}\``];
    expect([file, title, titles.some((each) => text.includes(each))]).toEqual([file, title, true]);
  });
});
