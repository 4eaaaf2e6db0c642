import type { Plan } from './sizing.ts';

/** What all pods of the namespace may ask for together. */
export interface Quota {
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly gpus: number;
  readonly pods: number;
}

/** What the replicas of a plan ask for beyond a quota, a sentence each: pods that would be refused without a word in the preview. */
export function beyondQuota(plan: Plan, quota: Quota, replicas: number): string[] {
  const asked: Readonly<Record<keyof Quota, number>> = {
    cpus: (replicas * plan.cpuMillis) / 1000,
    memoryGiB: (replicas * plan.memoryMiB) / 1024,
    gpus: replicas * plan.gpusPerReplica,
    pods: replicas,
  };
  return (Object.keys(asked) as (keyof Quota)[])
    .filter((key) => asked[key] > quota[key])
    .map((key) => `quota.${key} is ${quota[key]}, and ${replicas} replicas ask for ${Math.ceil(asked[key])}`);
}
