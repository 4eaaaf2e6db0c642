import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout } from '../support/checkout.ts';

const suite = (cached() ?? (await findOnPath())) === undefined ? describe.skip : describe;

suite('an offline preview', () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await Checkout.create();
  }, 60_000);
  afterAll(() => checkout?.remove(), 120_000);

  it('shows stack prod through the real engine, without plugins, cloud or credentials, and leaves its file alone', async () => {
    const before = readFileSync(checkout.path('Pulumi.prod.yaml'), 'utf8');
    const { code, stdout, stderr } = await checkout.modelmile('preview', 'prod', '--offline', '--json');
    expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
    const { steps } = JSON.parse(stdout) as { steps: { op: string; newState: { type: string } }[] };
    const packages = new Set(steps.map(({ newState }) => newState.type.split(':')[0]));
    for (const name of ['aws', 'docker', 'kubernetes', 'modelmile']) expect(packages).toContain(name);
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(['create']));
    expect(stderr).toContain('a stand-in takes the place of the aws provider');
    expect(readFileSync(checkout.path('Pulumi.prod.yaml'), 'utf8')).toBe(before);
  }, 300_000);
});
