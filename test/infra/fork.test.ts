import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parse } from 'yaml';
import { addressPlan, freeNetwork, rangeOf } from '../../infra/environment/aws/subnets.ts';
import { forkStack } from '../../infra/fork.ts';
import { parseSettings, settingValue } from '../../infra/settings.ts';

const file = (stack: string) => readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), 'utf8');
const settings = (text: string) => {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return parseSettings((key) => settingValue(key, config[`modelmile:${key}`]));
};
const overlap = (a: string, b: string) =>
  rangeOf(a).from <= rangeOf(b).to && rangeOf(b).from <= rangeOf(a).to;

describe('a fork of a stack', () => {
  it('has addresses of its own, however many there are', () => {
    const texts = [file('prod'), file('staging'), file('dev')];
    const networks = [settings(texts[0]!).vpcCidr];
    for (const name of ['eu', 'us', 'asia']) {
      const { text } = forkStack(texts[0]!, 'prod', name, texts);
      const { vpcCidr } = settings(text);
      expect(() => addressPlan(vpcCidr)).not.toThrow();
      for (const other of networks) expect([other, overlap(vpcCidr, other)]).toEqual([other, false]);
      networks.push(vpcCidr);
      texts.push(text);
    }
  });

  it('finds a free network wherever there is one, of the size that was asked for', () => {
    const network = fc
      .tuple(fc.integer({ min: 16, max: 20 }), fc.integer({ min: 0, max: 2 ** 12 - 1 }))
      .map(([bits, n]) => {
        const from = (10 * 2 ** 24 + (n % 2 ** (bits - 8)) * 2 ** (32 - bits)) >>> 0;
        return `${[24, 16, 8, 0].map((shift) => (from >>> shift) & 255).join('.')}/${bits}`;
      });
    fc.assert(
      fc.property(network, fc.array(network, { maxLength: 40 }), (like, taken) => {
        const free = freeNetwork(like, [like, ...taken])!;
        expect(free.split('/')[1]).toBe(like.split('/')[1]);
        expect([like, ...taken].filter((one) => overlap(one, free))).toEqual([]);
        expect(() => addressPlan(free)).not.toThrow();
      }),
      { numRuns: 200 },
    );
    expect(freeNetwork('10.0.0.0/16', ['10.0.0.0/8'])).toBeUndefined();
  });

  it('has a namespace and a host name of its own, and says what it changed', () => {
    const { text, changes, check } = forkStack(file('staging'), 'staging', 'qa', [file('staging')]);
    expect(settings(text)).toMatchObject({
      namespace: 'modelmile-qa',
      exposure: { hostname: 'models.qa.example.com' },
    });
    expect(changes.map(({ key }) => key)).toEqual(['modelmile:namespace', 'modelmile:exposure.hostname']);
    expect(check).toContain('imageRepository');
    const again = forkStack(text, 'qa', 'qa2', [file('staging'), text]);
    expect(settings(again.text).namespace).toBe('modelmile-qa2');
  });

  it('keeps everything else, comments too', () => {
    const { text, changes } = forkStack(file('prod'), 'prod', 'eu', [file('prod')]);
    const changed = new Set(changes.map(({ key }) => key.replace('modelmile:', '').split('.')[0]));
    const [before, after] = [settings(file('prod')), settings(text)] as unknown as Record<string, unknown>[];
    for (const [key, value] of Object.entries(before!))
      if (!changed.has(key)) expect(after![key]).toEqual(value);
    expect(text).toContain('# The API server answers inside the VPC only');
  });

  it('takes no secret along, however deep it lies', () => {
    const secret = `${file('prod')}  other:token:\n    secure: v1:abc\n  other:list:\n    - plain\n    - secure: v1:def\nencryptionsalt: v1:salt\n`;
    const { text, changes } = forkStack(secret, 'prod', 'eu', [secret]);
    expect(text).not.toMatch(/secure|encryptionsalt|v1:/);
    expect((parse(text) as { config: Record<string, unknown> }).config['other:list']).toEqual(['plain']);
    expect(changes.filter(({ to }) => to === undefined)).toHaveLength(3);
    expect(JSON.stringify(changes)).not.toMatch(/abc|def|v1:salt/);
  });

  it.each([
    ['dev', 'qa', /platform local is this checkout itself/],
    ['staging', 'Has Spaces', /a name is 2 to 15 lower-case letters/],
    ['staging', 'a-name-that-is-too-long', /a name is 2 to 15/],
  ])('of %s as %s is refused with the reason', (from, to, message) => {
    expect(() => forkStack(file(from), from, to, [file(from)])).toThrow(message);
  });
});
