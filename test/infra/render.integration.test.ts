import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { privilegedNamespaces } from '../../infra/policy/kubernetes.ts';
import { podTemplate, restrictedFaults } from '../../infra/policy/pods.ts';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout } from '../support/checkout.ts';
import { schemaFaults } from './kubernetes-schema.ts';

/** Needs the Pulumi engine. */
const suite = (cached() ?? (await findOnPath())) === undefined ? describe.skip : describe;

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
}

suite('modelmile render', () => {
  let checkout: Checkout;
  const rendered = new Map<string, Map<string, string>>();

  async function render(stack: string, folder: string): Promise<Map<string, string>> {
    const out = checkout.path(folder);
    const { code, stderr } = await checkout.modelmile('render', '--stack', stack, '--out', out);
    expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.yaml'),
    );
    return new Map(files.sort().map((path) => [path, readFileSync(join(out, path), 'utf8')]));
  }

  beforeAll(async () => {
    checkout = await Checkout.create();
    for (const stack of ['staging', 'prod']) rendered.set(stack, await render(stack, `rendered/${stack}`));
  }, 300_000);
  afterAll(() => checkout?.remove(), 120_000);

  const objects = (stack: string): Manifest[] =>
    [...rendered.get(stack)!]
      .filter(([path]) => path !== 'kustomization.yaml')
      .map(([, text]) => parse(text));

  it.each(['staging', 'prod'])('writes %s as files that fit the schemas of their kinds', (stack) => {
    const faults = objects(stack).flatMap((manifest) =>
      schemaFaults(manifest as never).map((fault) => `${manifest.metadata.name}: ${fault}`),
    );
    expect(faults).toEqual([]);
    expect(objects(stack).length).toBeGreaterThan(40);
  });

  it.each(['staging', 'prod'])('writes pods of %s that meet Pod Security restricted', (stack) => {
    const templates = objects(stack).filter(
      ({ metadata }) => !(privilegedNamespaces as readonly string[]).includes(metadata.namespace ?? ''),
    );
    const pods = templates.flatMap((manifest) => podTemplate(manifest) ?? []);
    expect(pods.length).toBeGreaterThan(3);
    expect(pods.flatMap(restrictedFaults)).toEqual([]);
  });

  it('lists every file in kustomization.yaml, and names the image by its content', () => {
    const files = rendered.get('staging')!;
    const { resources } = parse(files.get('kustomization.yaml')!) as { resources: string[] };
    expect(resources).toEqual([...files.keys()].filter((path) => path !== 'kustomization.yaml'));
    expect(files.get('modelmile/deployment-modelmile-serving.yaml')).toMatch(
      /image: registry\.example\.com\/modelmile\/serving:cpu-[0-9a-f]{16}/,
    );
    expect([...files.values()].join('')).not.toContain('known-after-up');
  });

  it('gives the same bytes a second time, and empties the folder that it wrote', async () => {
    expect(await render('staging', 'rendered/staging')).toEqual(rendered.get('staging'));
  }, 120_000);

  it('leaves a folder alone that it did not write', async () => {
    const { code, stderr } = await checkout.modelmile('render', '--out', checkout.path('docs'));
    expect([code, stderr]).toEqual([2, expect.stringContaining('is not empty')]);
  }, 60_000);
});
