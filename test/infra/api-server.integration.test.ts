import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { podTemplate } from '../../infra/policy/pods.ts';
import { ApiServer, kubernetesBinaries } from './api-server.ts';
import { crds, manifestsOf } from './kubernetes-schema.ts';
import { resourcesOf, settingsOf } from './stacks.ts';

type Json = Record<string, unknown>;
interface Manifest extends Json {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

const binaries = kubernetesBinaries();
const withServer = binaries ? describe : describe.skip;

/** Kinds that are spelled otherwise in paths. */
const plurals: Readonly<Record<string, string>> = { NetworkPolicy: 'networkpolicies' };
const clusterScoped = ['Namespace', 'PriorityClass', 'NodeClass', 'NodePool'];
const custom = (manifest: Manifest) => crds[`${manifest.apiVersion}/${manifest.kind}`];

function pathOf(manifest: Manifest): string {
  const { apiVersion, kind, metadata } = manifest;
  const plural =
    custom(manifest)?.plural ??
    plurals[kind] ??
    (kind.endsWith('s') ? `${kind.toLowerCase()}es` : `${kind.toLowerCase()}s`);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return clusterScoped.includes(kind)
    ? `${root}/${plural}`
    : `${root}/namespaces/${metadata.namespace}/${plural}`;
}

const needs = binaries ? '' : ' (not run: lacks node toolchain/test-cluster/install.mjs)';
withServer(`a real API server${needs}`, () => {
  const server = new ApiServer();
  const stacks: Record<string, Manifest[]> = {};

  beforeAll(async () => {
    const variants = {
      staging: settingsOf('staging'),
      'staging with the operator': settingsOf('staging', {
        monitoring: { kind: 'operator' },
        scaleOn: 'keda',
      }),
      prod: settingsOf('prod'),
    };
    for (const [name, settings] of Object.entries(variants)) {
      stacks[name] = manifestsOf(await resourcesOf(settings)).map(({ manifest }) => manifest as Manifest);
    }
    await server.start(binaries!);
    await server.defineCustomResources();
    const first = ['Namespace', 'PriorityClass', 'ServiceAccount'];
    for (const kind of first) {
      for (const manifest of Object.values(stacks)
        .flat()
        .filter((one) => one.kind === kind)) {
        await server.create(pathOf(manifest), manifest, false);
      }
    }
    // A controller gives every namespace its default account; pods are refused before.
    for (const namespace of ['modelmile', 'modelmile-node-agents'])
      await server.waitFor(`/api/v1/namespaces/${namespace}/serviceaccounts/default`);
  }, 300_000);
  afterAll(() => server.stop());

  it.each(['staging', 'staging with the operator', 'prod'])(
    'takes every object of %s, without a warning',
    async (stack) => {
      // EKS does not publish the definition of its NodeClass.
      const objects = stacks[stack]!.filter(({ kind }) => kind !== 'NodeClass');
      const faults: string[] = [];
      for (const manifest of objects) {
        const { status, body, warnings } = await server.create(pathOf(manifest), manifest, true);
        const there = status === 409 && body['reason'] === 'AlreadyExists';
        if (status !== 201 && !there)
          faults.push(`${manifest.kind} ${manifest.metadata.name}: ${status} ${body.message}`);
        for (const warning of warnings) faults.push(`${manifest.kind} ${manifest.metadata.name}: ${warning}`);
      }
      expect(objects.length).toBeGreaterThan(20);
      expect(faults).toEqual([]);
    },
  );

  it.each(['staging', 'prod'])(
    'admits every pod of %s to its namespace, which enforces Pod Security',
    async (stack) => {
      const faults: string[] = [];
      let pods = 0;
      for (const manifest of stacks[stack]!) {
        const template = podTemplate(manifest);
        if (!template) continue;
        pods += 1;
        const { namespace } = manifest.metadata;
        const pod = {
          apiVersion: 'v1',
          kind: 'Pod',
          ...template,
          metadata: { ...template['metadata'], name: 'a', namespace },
        };
        const spec = { ...(pod['spec' as never] as Json) };
        if (manifest.kind !== 'Job') delete spec['restartPolicy'];
        // A StatefulSet makes its claims by itself.
        if (manifest.kind === 'StatefulSet') {
          spec['volumes'] = [...((spec['volumes'] as Json[]) ?? []), { name: 'data', emptyDir: {} }];
        }
        const { status, body, warnings } = await server.create(
          `/api/v1/namespaces/${namespace}/pods`,
          { ...pod, spec },
          true,
        );
        if (status !== 201)
          faults.push(`${manifest.kind} ${manifest.metadata.name}: ${status} ${body.message}`);
        if (namespace !== 'modelmile-node-agents') faults.push(...warnings);
      }
      expect(pods).toBeGreaterThan(3);
      expect(faults).toEqual([]);
    },
  );

  it('refuses a pod that is not restricted: the test would see it', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a' },
      spec: { containers: [{ name: 'a', image: 'a:1' }] },
    };
    const { status, body } = await server.create('/api/v1/namespaces/modelmile/pods', pod, true);
    expect([status, body.message]).toEqual([
      403,
      expect.stringContaining('violates PodSecurity "restricted:v1.34"'),
    ]);
  });
});
