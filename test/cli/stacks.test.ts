import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { settings } from '../../cli/commands/settings.ts';
import { leftAfterAll, leftOvers } from '../../cli/left-overs.ts';
import { Terminal } from '../../cli/terminal.ts';
import { settingRows } from '../../infra/settings.ts';

describe('modelmile settings', () => {
  it('prints every key with its default, its type, what it is for and what a change does', async () => {
    const lines: string[] = [];
    const terminal = new Terminal(false);
    terminal.line = (text = '') => void lines.push(text);
    const invocation = {
      positionals: [],
      options: {},
      rest: [],
      terminal,
      signal: new AbortController().signal,
    };
    expect(await settings.run(invocation)).toBe(0);
    for (const [key, { help, change }] of Object.entries(settingRows)) {
      const at = lines.findIndex((line) => line.startsWith(`${key}  (default: `));
      expect([key, lines[at + 2], lines[at + 3]]).toEqual([key, `    ${help}`, `    a change: ${change}`]);
      expect([key, lines[at + 1]]).not.toEqual([key, expect.stringMatching(/undefined|^\s*any$/)]);
    }
    const typed = (key: string) => lines[lines.findIndex((line) => line.startsWith(`${key}  (`)) + 1]!.trim();
    expect(typed('platform')).toBe('"local" | "kubernetes" | "aws"');
    expect(typed('restPort')).toBe('integer >= 1');
    expect(typed('clusterAdmins')).toBe('[string, ...]');
    expect(typed('endpointAccess')).toBe('"private" | {cidrs: [string, ...]}');
    expect(typed('budget')).toBe('{usdPerMonth: number > 0, emails: [string, ...]}');
  });
});

/** A command `aws` that answers by its filter, as a script: nothing here has an account. */
describe('what a stack on aws leaves behind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-aws-'));
  const before = process.env['PATH'];
  const answer = (script: string) => {
    writeFileSync(join(folder, 'aws'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'aws'), 0o755);
  };
  const listing = (...arns: string[]) =>
    JSON.stringify({ ResourceTagMappingList: arns.map((ResourceARN) => ({ ResourceARN, Tags: [] })) });
  beforeAll(() => {
    process.env['PATH'] = `${folder}${delimiter}${before}`;
  });
  afterAll(() => {
    process.env['PATH'] = before;
    rmSync(folder, { recursive: true, force: true });
  });

  it('is found by the tags of the program and by those of the cluster, once each', async () => {
    const [volume, balancer] = [
      'arn:aws:ec2:eu-central-1:1:volume/vol-1',
      'arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/net/a',
    ];
    answer(`case "$*" in
      *"--region eu-central-1 --tag-filters Key=modelmile:stack,Values=modelmile-prod --output json") echo '${listing(volume)}';;
      *"Key=eks:eks-cluster-name,Values=modelmile-prod --output json") echo '${listing(volume, balancer)}';;
      *"Key=kubernetes.io/cluster/modelmile-prod --output json") echo '${listing()}';;
      *) exit 3;;
    esac`);
    expect(await leftOvers('prod', 'eu-central-1')).toEqual([volume, balancer].sort());
  });

  it('is asked for again until AWS has taken it off its lists, or for so long that it must really be there', async () => {
    const volume = 'arn:aws:ec2:eu-central-1:1:volume/vol-1';
    const times = join(folder, 'times');
    answer(`echo >> '${times}'
      if [ "$(wc -l < '${times}')" -le 3 ]; then echo '${listing(volume)}'; else echo '${listing()}'; fi`);
    const terminal = new Terminal(true);
    const left = (atMostMs: number) =>
      leftAfterAll('prod', 'eu-central-1', terminal, { everyMs: 10, atMostMs });
    expect(await left(30_000)).toEqual([]);
    answer(`echo '${listing(volume)}'`);
    expect(await left(30)).toEqual([volume]);
  });

  it('does not count a key that waits to be deleted', async () => {
    answer(`echo '${listing('arn:aws:kms:eu-central-1:1:key/00000000-0000-4000-8000-000000000000')}'`);
    expect(await leftOvers('prod', 'eu-central-1')).toEqual([]);
  });

  it('is not known, and said to be unknown, where AWS does not answer', async () => {
    answer("echo 'Unable to locate credentials' >&2; exit 255");
    await expect(leftOvers('prod', 'eu-central-1')).rejects.toThrow(
      /CLI_SWEEP_FAILED|is not known.*Run that command where it works/,
    );
  });
});
