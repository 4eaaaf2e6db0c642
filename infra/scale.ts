import type { Profile } from '../conversion/manifest/index.ts';
import { type Metric, metrics } from '../serving/contract/index.ts';
import { addressPlan } from './environment/aws/subnets.ts';
import { hoursPerMonth, type InstanceTypeName, instanceType } from './environment/hardware.ts';
import { planHardware } from './environment/sizing.ts';

/** What a number of GPU nodes takes of everything that has an end. One serving pod a node. */
export interface Scale {
  readonly nodes: number;
  /** AWS's quota for running instances of the family. */
  readonly quotaVcpus: number;
  /** Addresses of the fullest zone, with pods' addresses taken 16 at a time, and one by one. */
  readonly addressesByPrefix: number;
  readonly addressesOneByOne: number;
  /** What there is in a zone of the default VPC. */
  readonly addressesThere: number;
  /** Series that Prometheus holds for the serving pods. */
  readonly series: number;
  /** Connections of the pods to Postgres. */
  readonly connections: number;
  readonly usdPerMonth: number;
}

/** Bounds of label values in one pod: one model in two versions, the methods and statuses that callers use. */
const labelValues: Readonly<Record<string, number>> = {
  model: 1,
  version: 2,
  method: 2,
  code: 4,
  phase: 4,
  kind: 3,
};
/** Pods of a GPU node beside the serving pod: DCGM, logs, secrets, storage. */
const agentPods = 4;
/** Pool of `pg` a pod (serving/middleware/database). */
const connectionsPerPod = 4;
/** AWS keeps five addresses of every subnet. */
const reservedAddresses = 5;

/** Series of one pod, from the catalogue: a histogram has a series a bucket, +Inf, sum and count. */
export function seriesPerPod(): number {
  return Object.values(metrics as Readonly<Record<string, Metric>>).reduce(
    (sum, { type, labels, buckets = [] }) => {
      const combinations = labels.reduce((product, label) => product * (labelValues[label] ?? 2), 1);
      return sum + combinations * (type === 'histogram' ? buckets.length + 3 : 1);
    },
    0,
  );
}

export function scaleAt(nodes: number, type: InstanceTypeName, vpcCidr: string): Scale {
  const inZone = Math.ceil(nodes / 3);
  const bits = Number(addressPlan(vpcCidr).private[0].split('/')[1]);
  const pods = 1 + agentPods;
  return {
    nodes,
    quotaVcpus: nodes * instanceType(type).vcpus,
    addressesByPrefix: inZone * (1 + 16 * Math.ceil(pods / 16)),
    addressesOneByOne: inZone * (1 + pods),
    addressesThere: 2 ** (32 - bits) - reservedAddresses,
    series: nodes * seriesPerPod(),
    connections: nodes * connectionsPerPod,
    usdPerMonth: nodes * instanceType(type).usdPerHour * hoursPerMonth,
  };
}

/** The table of docs/scale.md, as Markdown. */
export function scaleTable(): string {
  const type = 'g6.xlarge';
  const rows = [1, 10, 50, 100, 250, 500, 1000].map((nodes) => {
    const at = scaleAt(nodes, type, '10.20.0.0/16');
    return `| ${[nodes, at.quotaVcpus, `${at.addressesByPrefix.toLocaleString('en-US')} / ${at.addressesOneByOne.toLocaleString('en-US')}`, at.series, at.connections, Math.round(at.usdPerMonth)].map((cell) => cell.toLocaleString('en-US')).join(' | ')} |`;
  });
  return [
    `| nodes (${type}) | vCPUs of quota | addresses of a zone, by 16 / one by one | series | connections to Postgres | USD a month |`,
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** What a million predictions cost at some loads, from a measured profile, as Markdown. */
export function costTable(profile: Profile): string {
  const { sizeBytes, inputElements } = profile;
  const rows = [100, 1000, 10_000, 50_000].flatMap((requestsPerSecond) =>
    (['cpu', 'gpu'] as const).map((accelerator) => {
      const plan = planHardware({
        model: { name: 'digits', sizeBytes, inputElements },
        profile,
        load: { requestsPerSecond, rowsPerRequest: 1, p95Ms: 50 },
        accelerator,
      });
      const basis = accelerator === 'cpu' ? 'measured' : 'GPU not measured';
      return `| ${requestsPerSecond.toLocaleString('en-US')} | ${plan.nodes} x ${plan.instanceType} | ${plan.minReplicas} | ${Math.round(plan.usdPerMonth).toLocaleString('en-US')} | ${plan.usdPerMillionPredictions.toFixed(4)} | ${basis} |`;
    }),
  );
  return [
    '| requests a second | machines | replicas | USD a month | USD a million predictions | basis |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
