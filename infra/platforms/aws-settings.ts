import * as z from 'zod';
import { type InstanceTypeName, instanceTypes } from '../environment/hardware.ts';
import type { SettingRow } from '../setting-row.ts';
import { network, quantity } from './cluster-settings.ts';

const instanceTypeName = z.enum(Object.keys(instanceTypes) as [InstanceTypeName, ...InstanceTypeName[]]);
const poolName = z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'up to 20 lower-case letters, digits and dashes');
const elasticPool = z.strictObject({
  kind: z.literal('elastic'),
  name: poolName,
  instanceTypes: z.array(instanceTypeName).min(1),
  capacity: z.enum(['spot-first', 'on-demand', 'reserved-first']).default('on-demand'),
  limits: z.strictObject({ cpus: quantity, memoryGiB: quantity, gpus: z.int().min(0).default(0) }),
  consolidateAfter: z
    .string()
    .regex(/^\d+[smh]$/, 'a duration such as 5m')
    .default('5m'),
  expireAfter: z
    .string()
    .regex(/^\d+h$/, 'hours such as 336h')
    .default('336h'),
});
const fixedPool = z.strictObject({
  kind: z.literal('fixed'),
  name: poolName,
  instanceType: instanceTypeName,
  amiRelease: z.string().regex(/^\d+\.\d+\.\d+-\d{8}$/, 'a pinned release such as 1.34.4-20260318'),
  minNodes: z.int().min(0),
  maxNodes: quantity,
  reservation: z
    .strictObject({
      id: z.string().regex(/^cr-[0-9a-f]+$/, 'the id of a capacity reservation, cr-...'),
      kind: z.enum(['on-demand', 'capacity-block']),
    })
    .optional(),
  replacement: z.enum(['blue-green', 'rolling']).default('blue-green'),
  diskGiB: z.int().min(50).default(200),
});

/** Keys of platform aws. */
export const awsSettings = {
  accountId: {
    schema: z
      .string()
      .regex(/^\d{12}$/, 'twelve digits, in quotes')
      .optional(),
    help: 'AWS account; any other is refused. Needed on aws.',
    change: 'another account: destroy the stack first',
  },
  region: {
    schema: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region such as eu-central-1')
      .default('us-east-1'),
    help: 'AWS region.',
    change: 'replaces everything',
  },
  zones: {
    schema: z.array(z.string()).length(3, 'exactly three').optional(),
    help: 'Three availability zones; without it a, b and c of the region.',
    change: 'replaces subnets and what is in them',
  },
  vpcCidr: {
    schema: network.default('10.20.0.0/16'),
    help: 'Addresses of the VPC, /16 to /20; another one for each stack.',
    change: 'replaces the network and everything in it',
  },
  natGateways: {
    schema: z.enum(['per-zone', 'single']).default('per-zone'),
    help: 'One a zone survives the loss of a zone; a single one costs a third.',
    change: 'replaces routes: outgoing connections break once',
  },
  kubernetesVersion: {
    schema: z
      .string()
      .regex(/^1\.\d{2}$/, 'a minor version in quotes, such as "1.34"')
      .default('1.34'),
    help: 'Minor version of the cluster.',
    change: 'upgrades in place, one version at a time; cannot be lowered',
  },
  clusterAdmins: {
    schema: z
      .array(
        z.string().regex(/^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/.+$/, 'the ARN of an IAM role or user'),
      )
      .default([]),
    help: 'IAM principals that administer the cluster; whoever runs up is one. Needed on aws.',
    change: 'access entries, at once',
  },
  endpointAccess: {
    schema: z
      .union([z.literal('private'), z.strictObject({ cidrs: z.array(network).min(1) })])
      .default('private'),
    help: 'From where the API server answers: inside the VPC only, or listed networks {cidrs: [...]}.',
    change: 'in place, some minutes',
  },
  nodePools: {
    schema: z.array(z.discriminatedUnion('kind', [elasticPool, fixedPool])).default([]),
    help: 'Pools of nodes: elastic (EKS Auto Mode) or fixed (managed node group). Needed on aws.',
    change: 'elastic: nodes drift one by one; fixed: as replacement says',
  },
  podAddresses: {
    schema: z.enum(['prefix', 'single']).default('prefix'),
    help: 'Addresses a node takes: 16 at a time, or one by one for hundreds of nodes with few pods each.',
    change: 'nodes drift one by one',
  },
  protectData: {
    schema: z.boolean().default(true),
    help: 'Refuses to delete cluster, key, database, models and images; false for stacks that come and go.',
    change: 'in place',
  },
  database: {
    schema: z
      .strictObject({ instanceClass: z.string().default('db.m7g.large'), multiAz: z.boolean().default(true) })
      .prefault({}),
    help: 'RDS Postgres: {instanceClass, multiAz}.',
    change: 'in the next maintenance window, with a short fail-over',
  },
  cache: {
    schema: z
      .strictObject({ nodeType: z.string().default('cache.t4g.small'), nodes: quantity.default(2) })
      .prefault({}),
    help: 'ElastiCache Valkey: {nodeType, nodes}.',
    change: 'in the next maintenance window',
  },
  budget: {
    schema: z
      .strictObject({ usdPerMonth: z.number().positive(), emails: z.array(z.email()).min(1) })
      .optional(),
    help: 'Who is told at what monthly cost. Needed on aws.',
    change: 'at once',
  },
} as const satisfies Record<string, SettingRow>;
