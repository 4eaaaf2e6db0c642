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

  /** What the anchors ship, as their sources were read; a word of each that its row must have. */
  it.each([
    ['open to 0.0.0.0/0', 'API servers for everyone'],
    ['API_AND_CONFIG_MAP', 'the config map as a way in'],
    ['off (pulumi-eks, vLLM', 'no control-plane and audit logs'],
    ['opt-in (pulumi-eks)', 'Secrets without a key of their own'],
    ['nothing forces IMDSv2', 'credentials of a node for its pods'],
    ['single NAT gateway', 'one zone that takes all down'],
    ['AmazonS3FullAccess', 'rights on everything'],
    ['22 skipped', 'checks that are switched off'],
    ['one untagged image is kept', 'rollbacks that lose their image'],
    ['mutable tags, no scan', 'images that change behind a name'],
    ['`deletionProtection` false', 'clusters that anybody deletes'],
    ['EXTENDED', 'support that is paid for unasked'],
    ['hard-coded and exported', "Grafana's password"],
    ['public load balancer', 'Grafana for everyone'],
    ['`runAsNonRoot: false`', 'root'],
    ['no Pod Security label', 'namespaces without Pod Security'],
    ['none default-deny', 'networks without a fence'],
    ['`latest`', 'images by a tag that moves'],
    ['DUMMY_TOKEN_REPLACE_ME', 'a token as a default'],
    ['debug', 'logs that say too much'],
    ['skipAwait', 'success before there is any'],
    ['without Alertmanager', 'alerts that nobody gets'],
    ['surge pod that waits for a GPU', 'rollouts that never end'],
    ['five phases', 'tear-downs that hang'],
  ])('has a row on "%s": %s', (words) => {
    expect(rows.some(({ weak }) => weak!.includes(words))).toBe(true);
  });

  it('has a row for every mandatory policy', () => {
    const named = rows.map(({ heldBy }) => heldBy!.replace(/^policy /, ''));
    expect(Object.keys(rules).filter((rule) => !named.includes(rule))).toEqual([]);
  });
});
