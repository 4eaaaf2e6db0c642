import { describe, expect, it } from '@jest/globals';
import { aws, changesBetween, replacesOn } from '../../toolchain/stand-ins/replacements.mjs';
import { resourcesOf, settingsOf } from './stacks.ts';

describe('what a change replaces, in stand-ins', () => {
  it('tells updates from replacements, by the path of what changed', () => {
    const type = 'kubernetes:apps/v1:Deployment';
    const before = {
      metadata: { name: 'a', labels: { x: '1' } },
      spec: { replicas: 1, selector: { matchLabels: { app: 'a' } } },
    };
    const after = {
      metadata: { name: 'a', labels: { x: '2' } },
      spec: { selector: { matchLabels: { app: 'b' } }, paused: true },
    };
    expect(changesBetween(type, before, after)).toEqual([
      { path: 'metadata.labels.x', op: 'update', replaces: false },
      { path: 'spec.replicas', op: 'delete', replaces: false },
      { path: 'spec.selector.matchLabels.app', op: 'update', replaces: true },
      { path: 'spec.paused', op: 'add', replaces: false },
    ]);
    expect(changesBetween(type, before, before)).toEqual([]);
  });

  it('does not know what no table says', () => {
    expect(replacesOn('aws:rds/instance:Instance', 'storageEncrypted')).toBe(true);
    expect(replacesOn('aws:rds/instance:Instance', 'instanceClass')).toBe(false);
    expect(replacesOn('aws:rds/instance:Instance', 'caCertIdentifier')).toBeUndefined();
    expect(replacesOn('aws:ec2/eip:Eip', 'domain')).toBeUndefined();
  });

  it("takes a registry's new login for no change of an image", () => {
    const image = (password: string) => ({ imageName: 'a:1', registry: { server: 'r', password } });
    expect(changesBetween('docker:index/image:Image', image('one'), image('two'))).toEqual([]);
  });

  it('names only properties that stack prod really sets, and types that it has', async () => {
    const resources = await resourcesOf(settingsOf('prod'));
    const types = new Set(resources.map(({ type }) => type));
    for (const type of Object.keys(aws)) expect(types).toContain(type);
  });
});
