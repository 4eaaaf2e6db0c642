import { beforeAll, describe, expect, it } from '@jest/globals';
import { privilegedNamespaces } from '../../infra/policy/kubernetes.ts';
import { podTemplate, restrictedFaults } from '../../infra/policy/pods.ts';
import { manifestsOf, schemaFaults } from './kubernetes-schema.ts';
import type { Recorded } from './recorder.ts';
import { resourcesOf, settingsOf, trustedKey } from './stacks.ts';

/** Every shape that the settings can give the cluster's part of a stack. */
const variants: Readonly<Record<string, () => ReturnType<typeof settingsOf>>> = {
  staging: () => settingsOf('staging'),
  'staging by a kube-prometheus-stack, with KEDA, external middleware and a store': () =>
    settingsOf('staging', {
      monitoring: { kind: 'operator', gpuMetrics: true },
      scaleOn: 'keda',
      modelStore: 'https://models.example.com/repository',
      serving: { trustedKeys: [trustedKey] },
      middleware: {
        database: { host: 'db.example.com', secretName: 'db', cidr: '10.1.0.0/24' },
        cache: { host: 'cache.example.com', secretName: 'cache', cidr: '10.1.1.0/24' },
      },
      apiKeysSecret: 'our-keys',
    }),
  'staging without rights on the cluster, on GPUs, unscaled': () =>
    settingsOf('staging', {
      clusterRights: false,
      accelerator: 'gpu',
      scaleOn: 'none',
      modelStore: 'volume:models',
      exposure: undefined,
    }),
  prod: () => settingsOf('prod'),
};

describe.each(Object.entries(variants))('the manifests of %s', (_, settings) => {
  let resources: Recorded[];
  let manifests: ReturnType<typeof manifestsOf>;
  beforeAll(async () => {
    resources = await resourcesOf(settings());
    manifests = manifestsOf(resources);
  });

  it('fit the OpenAPI schema of Kubernetes 1.34 or of their custom resource', () => {
    expect(manifests.length).toBeGreaterThan(20);
    const faults = manifests.flatMap(({ name, manifest }) =>
      schemaFaults(manifest).map((fault) => `${name}: ${fault}`),
    );
    expect(faults).toEqual([]);
  });

  it('meet Pod Security restricted, but for the listed node agents', () => {
    const pods = manifests.flatMap(({ name, manifest }) => {
      const template = podTemplate(manifest);
      const namespace = (manifest['metadata'] as { namespace?: string }).namespace ?? '';
      return template && !(privilegedNamespaces as readonly string[]).includes(namespace)
        ? [{ name, template }]
        : [];
    });
    expect(pods.length).toBeGreaterThan(0);
    expect(
      pods.flatMap(({ name, template }) => restrictedFaults(template).map((fault) => `${name}: ${fault}`)),
    ).toEqual([]);
  });

  it('have no two objects of one kind, namespace and name', () => {
    const ids = manifests.map(({ manifest }) => {
      const { name, namespace } = manifest['metadata'] as { name: string; namespace?: string };
      return `${manifest['apiVersion']} ${manifest['kind']} ${namespace} ${name}`;
    });
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });

  it('name nobody a password: no Secret is among them', () => {
    expect(manifests.filter(({ manifest }) => manifest['kind'] === 'Secret')).toEqual([]);
  });
});

describe('the schemas themselves', () => {
  it('refuse an unknown field, a wrong type, a missing field and an unknown enum value', () => {
    const base = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } };
    const template = { metadata: { labels: {} }, spec: { containers: [{ name: 'a', image: 'a:1' }] } };
    const fits = { ...base, spec: { selector: { matchLabels: {} }, template } };
    expect(schemaFaults(fits)).toEqual([]);
    expect(schemaFaults({ ...fits, spec: { ...fits.spec, replica: 2 } })).not.toEqual([]);
    expect(schemaFaults({ ...fits, spec: { ...fits.spec, replicas: '2' } })).not.toEqual([]);
    expect(schemaFaults({ ...base, spec: { template } })).not.toEqual([]);
    expect(
      schemaFaults({
        apiVersion: 'eks.amazonaws.com/v1',
        kind: 'NodeClass',
        metadata: {},
        spec: {
          subnetSelectorTerms: [{ id: 'a' }],
          securityGroupSelectorTerms: [{ id: 'b' }],
          networkPolicy: 'Deny',
        },
      }),
    ).not.toEqual([]);
  });
});
