import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CliError } from './errors.ts';
import type { Terminal } from './terminal.ts';

/**
 * Tags that tell whose a resource is: those that the program gives, and those of what the cluster's own controllers make (nodes, disks,
 * load balancers), of which Pulumi never hears.
 */
const tagsOf = (stack: string) => {
  const name = `modelmile-${stack}`;
  return [
    `Key=modelmile:stack,Values=${name}`,
    `Key=eks:eks-cluster-name,Values=${name}`,
    `Key=kubernetes.io/cluster/${name}`,
  ];
};

/** AWS goes on listing for a while what is deleted. */
const waits = { everyMs: 15_000, atMostMs: 5 * 60_000 };

/** A key waits out its thirty days, in which one may change one's mind. */
const goesByItself = (arn: string) => /:kms:.*:key\//.test(arn);

/**
 * ARNs of what a stack has left in AWS after it was taken down, asked with the `aws` command that the cluster's kubeconfig needs too.
 * @throws CliError CLI_SWEEP_FAILED where AWS cannot be asked: then nothing is known
 */
export async function leftOvers(stack: string, region: string): Promise<string[]> {
  const found = await Promise.all(
    tagsOf(stack).map(async (filter) => {
      const args = ['resourcegroupstaggingapi', 'get-resources', '--region', region, '--tag-filters', filter];
      const asked = await promisify(execFile)('aws', [...args, '--output', 'json'], {
        env: process.env,
        maxBuffer: 1 << 26,
      }).catch((error: Error & { stderr?: string }) => {
        const why = error.stderr?.trim().split('\n').at(-1) || error.message;
        throw new CliError('CLI_SWEEP_FAILED', `aws ${args.join(' ')}: ${why}.`);
      });
      const { ResourceTagMappingList: list } = JSON.parse(asked.stdout) as {
        ResourceTagMappingList: { ResourceARN: string }[];
      };
      return list.map(({ ResourceARN }) => ResourceARN);
    }),
  );
  return [...new Set(found.flat())].filter((arn) => !goesByItself(arn)).sort();
}

/**
 * What is left when AWS has had its time to take deleted resources off its lists.
 * @throws CliError CLI_SWEEP_FAILED
 */
export async function leftAfterAll(
  stack: string,
  region: string,
  terminal: Terminal,
  { everyMs, atMostMs } = waits,
): Promise<string[]> {
  const deadlineMs = Date.now() + atMostMs;
  for (;;) {
    const left = await leftOvers(stack, region);
    if (left.length === 0 || Date.now() + everyMs > deadlineMs) return left;
    const minutes = Math.ceil((deadlineMs - Date.now()) / 60_000);
    terminal.progress(
      `AWS still lists ${left.length} resources of '${stack}': asking again for ${minutes} min`,
    );
    await setTimeout(everyMs);
  }
}
