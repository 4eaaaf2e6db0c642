import {
  hoursPerMonth,
  type InstanceTypeName,
  instanceType,
  instanceTypes,
} from '../environment/hardware.ts';
import { type Inputs, kindOf } from './rule.ts';

/** A resource of a stack as a preview knows it. */
export interface StackResource {
  readonly type: string;
  readonly name: string;
  readonly props: Inputs;
}

/**
 * Hourly list prices, us-east-1, of what is not an instance. Rounded and without traffic: they are for "is this what I meant to spend",
 * the bill is AWS's. Source: the services' pricing pages.
 */
const usdPerHour: Readonly<Record<string, (props: Inputs) => number>> = {
  'aws:eks/cluster:Cluster': () => 0.1,
  'aws:ec2/natGateway:NatGateway': () => 0.045,
  'aws:ec2/vpcEndpoint:VpcEndpoint': (props) =>
    props['vpcEndpointType'] === 'Interface' ? 0.01 * (props['subnetIds']?.length ?? 1) : 0,
  'aws:kms/key:Key': () => 1 / hoursPerMonth,
  'aws:rds/instance:Instance': (props) =>
    (databasePrices[props['instanceClass'] as string] ?? 0) * (props['multiAz'] ? 2 : 1),
  'aws:elasticache/replicationGroup:ReplicationGroup': (props) =>
    (cachePrices[props['nodeType'] as string] ?? 0) * (props['numCacheClusters'] ?? 1),
};
const databasePrices: Readonly<Record<string, number>> = {
  'db.t4g.medium': 0.065,
  'db.m7g.large': 0.168,
  'db.m7g.xlarge': 0.337,
};
const cachePrices: Readonly<Record<string, number>> = {
  'cache.t4g.small': 0.0256,
  'cache.m7g.large': 0.1264,
};
/** EKS Auto Mode adds this share of the on-demand price of the nodes it runs. */
const autoModeShare = 0.12;

/** What the nodes of one pool can come to. */
interface Pool {
  readonly minNodes: number;
  readonly maxNodes: number;
  readonly type: InstanceTypeName;
  readonly share: number;
}

const known = (name: unknown): name is InstanceTypeName => typeof name === 'string' && name in instanceTypes;

/** A NodePool grows until a limit is reached, with the dearest machine it may take. */
function elastic(props: Inputs): Pool | undefined {
  const spec = props['spec'];
  const names: unknown[] =
    spec?.template?.spec?.requirements?.find(
      (one: Inputs) => one['key'] === 'node.kubernetes.io/instance-type',
    )?.values ?? [];
  const type = names.filter(known).sort((a, b) => instanceType(b).usdPerHour - instanceType(a).usdPerHour)[0];
  if (type === undefined) return undefined;
  const machine = instanceType(type);
  const byCpu = Number(spec.limits?.cpu ?? 0) / machine.vcpus;
  const byGpu = machine.gpuCount ? Number(spec.limits?.['nvidia.com/gpu'] ?? 0) / machine.gpuCount : byCpu;
  return { minNodes: 0, maxNodes: Math.floor(Math.min(byCpu, byGpu)), type, share: 1 + autoModeShare };
}

function fixed(props: Inputs, all: readonly StackResource[], name: string): Pool | undefined {
  const template = all.find((one) => kindOf(one.type) === 'LaunchTemplate' && one.name === name);
  const type = template?.props['instanceType'];
  if (!known(type)) return undefined;
  return {
    minNodes: props['scalingConfig']?.minSize ?? 0,
    maxNodes: props['scalingConfig']?.maxSize ?? 0,
    type,
    share: 1,
  };
}

/** What a stack holds and costs, from nothing running on elastic pools to every pool at its limit. */
export interface StackCost {
  readonly usdPerMonth: { readonly least: number; readonly most: number };
  readonly gpus: { readonly least: number; readonly most: number };
  /** vCPUs of GPU machines at the limits: AWS's quota "Running On-Demand G and VT / P instances" must be at least this. */
  readonly gpuVcpus: number;
  /** Elastic pools of which nothing is known yet, as at the first preview of a cluster. */
  readonly unknownPools: number;
}

export function stackCost(all: readonly StackResource[], priceFactor = 1): StackCost {
  const fixedUsd = all.reduce((sum, { type, props }) => sum + (usdPerHour[type]?.(props) ?? 0), 0);
  const pools = all.flatMap(({ type, name, props }) => {
    const pool =
      kindOf(type) === 'NodePool'
        ? elastic(props)
        : type === 'aws:eks/nodeGroup:NodeGroup'
          ? fixed(props, all, name)
          : undefined;
    return pool ? [pool] : [];
  });
  const sum = (of: (pool: Pool, nodes: number) => number, end: 'minNodes' | 'maxNodes') =>
    pools.reduce((total, pool) => total + of(pool, pool[end]), 0);
  const usd = (pool: Pool, nodes: number) => nodes * instanceType(pool.type).usdPerHour * pool.share;
  const gpus = (pool: Pool, nodes: number) => nodes * (instanceType(pool.type).gpuCount ?? 0);
  const gpuVcpus = (pool: Pool, nodes: number) =>
    instanceType(pool.type).gpu ? nodes * instanceType(pool.type).vcpus : 0;
  const month = (perHour: number) => perHour * hoursPerMonth * priceFactor;
  return {
    usdPerMonth: {
      least: month(fixedUsd + sum(usd, 'minNodes')),
      most: month(fixedUsd + sum(usd, 'maxNodes')),
    },
    gpus: { least: sum(gpus, 'minNodes'), most: sum(gpus, 'maxNodes') },
    gpuVcpus: sum(gpuVcpus, 'maxNodes'),
    unknownPools: all.filter(({ type, props }) => kindOf(type) === 'NodePool' && !('spec' in props)).length,
  };
}

/** One line for the preview. */
export function describeCost({ usdPerMonth, gpus, gpuVcpus, unknownPools }: StackCost): string {
  const usd = (value: number) => `${Math.round(value)} USD`;
  const quota = gpuVcpus > 0 ? `; the quota for GPU machines must be at least ${gpuVcpus} vCPUs` : '';
  const unknown =
    unknownPools > 0 ? `; without ${unknownPools} elastic pools, of which nothing is known yet` : '';
  return `costs ${usd(usdPerMonth.least)} a month with elastic pools empty, ${usd(usdPerMonth.most)} with every pool at its limit (list prices, us-east-1, no traffic); ${gpus.least} to ${gpus.most} GPUs${quota}${unknown}`;
}
