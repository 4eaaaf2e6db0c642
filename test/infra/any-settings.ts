import assert from 'node:assert/strict';
import fc from 'fast-check';
import { violations } from '../../infra/policy/index.ts';
import { manifestsOf, schemaFaults } from './kubernetes-schema.ts';
import { ofType, type Recorded } from './recorder.ts';
import { resourcesOf, settingsOf, trustedKey } from './stacks.ts';

/** Settings that staging may have, and what may be made of them. */
const staging = fc.record(
  {
    accelerator: fc.constantFrom('auto', 'cpu', 'gpu'),
    scaleOn: fc.constantFrom('keda', 'cpu', 'none'),
    clusterRights: fc.boolean(),
    load: fc.record({
      requestsPerSecond: fc.integer({ min: 1, max: 5000 }),
      rowsPerRequest: fc.integer({ min: 1, max: 4 }),
      p95Ms: fc.integer({ min: 40, max: 500 }),
    }),
    exposure: fc.constantFrom(
      { kind: 'cluster' },
      { kind: 'load-balancer', sourceRanges: ['10.0.0.0/8'] },
      {
        kind: 'gateway',
        className: 'a',
        hostname: 'a.example.com',
        tlsSecretName: 'tls',
        dataPlaneNamespace: 'gw',
      },
    ),
    monitoring: fc.record({ kind: fc.constantFrom('stack', 'operator'), gpuMetrics: fc.boolean() }),
    callers: fc.uniqueArray(fc.constantFrom('shop', 'fraud', 'support')),
    imageRegistry: fc.constantFrom(undefined, 'registry.local/mirror'),
    modelStore: fc.constantFrom('config-map', 's3://bucket/models', 'volume:models'),
    namespace: fc.stringMatching(/^[a-z]([-a-z0-9]{0,20}[a-z0-9])?$/),
    quota: fc.record({ gpus: fc.integer({ min: 0, max: 64 }) }),
    serving: fc.constant({ trustedKeys: [trustedKey] }),
  },
  { requiredKeys: ['serving'] },
);

const pool = fc.oneof(
  fc.record({
    kind: fc.constant('elastic'),
    instanceTypes: fc.uniqueArray(fc.constantFrom('c7i.xlarge', 'm7i.xlarge', 'c7i.4xlarge'), {
      minLength: 1,
    }),
    capacity: fc.constantFrom('spot-first', 'on-demand', 'reserved-first'),
    limits: fc.record({
      cpus: fc.integer({ min: 4, max: 500 }),
      memoryGiB: fc.integer({ min: 8, max: 2000 }),
    }),
  }),
  fc.record({
    kind: fc.constant('fixed'),
    instanceType: fc.constantFrom('g6.xlarge', 'p5.48xlarge', 'c7i.2xlarge'),
    amiRelease: fc.constant('1.34.4-20260318'),
    minNodes: fc.integer({ min: 0, max: 3 }),
    maxNodes: fc.integer({ min: 4, max: 9 }),
    reservation: fc.constantFrom(
      undefined,
      { id: 'cr-0abc', kind: 'capacity-block' },
      { id: 'cr-0abc', kind: 'on-demand' },
    ),
    replacement: fc.constantFrom('blue-green', 'rolling'),
  }),
);
const cpuPool = {
  kind: 'elastic',
  name: 'cpu',
  instanceTypes: ['c7i.8xlarge'],
  limits: { cpus: 64, memoryGiB: 128 },
};

/** Settings that prod may have. */
const prod = fc.record({
  region: fc.constantFrom('us-east-1', 'eu-central-1', 'cn-north-1', 'us-gov-west-1'),
  vpcCidr: fc.constantFrom('10.0.0.0/16', '172.16.0.0/18', '192.168.16.0/20'),
  natGateways: fc.constantFrom('per-zone', 'single'),
  endpointAccess: fc.constantFrom('private', { cidrs: ['198.51.100.0/24'] }),
  podAddresses: fc.constantFrom('prefix', 'single'),
  protectData: fc.boolean(),
  accelerator: fc.constant('cpu'),
  nodePools: fc
    .array(pool, { maxLength: 3 })
    .map((pools) => [cpuPool, ...pools.map((one, i) => ({ ...one, name: `p${i}` }))]),
});

/** Every manifest is one that the API server takes, and every resource keeps every policy. */
function assertSound(all: readonly Recorded[]): void {
  assert.deepEqual(
    manifestsOf(all).flatMap(({ manifest }) => schemaFaults(manifest)),
    [],
  );
  assert.deepEqual(
    all.flatMap(({ type, name, inputs }) => violations(type, name, inputs)),
    [],
  );
}

const partitionOf = (region: string) =>
  region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';

/** Any settings of staging, `runs` of them from a seed. */
export const stagingIsSound = (runs: number, seed: number) =>
  fc.assert(
    fc.asyncProperty(staging, async (changed) =>
      assertSound(await resourcesOf(settingsOf('staging', changed))),
    ),
    { numRuns: runs, seed },
  );

/** Any settings of prod, `runs` of them from a seed. */
export const prodIsSound = (runs: number, seed: number) =>
  fc.assert(
    fc.asyncProperty(prod, async (changed) => {
      const all = await resourcesOf(settingsOf('prod', changed));
      assertSound(all);
      for (const { inputs } of ofType(all, 'RolePolicyAttachment')) {
        assert.ok(inputs.policyArn.startsWith(`arn:${partitionOf(changed.region)}:iam::aws:policy/`));
      }
      assert.equal(ofType(all, 'NatGateway').length, changed.natGateways === 'single' ? 1 : 3);
    }),
    { numRuns: runs, seed },
  );
