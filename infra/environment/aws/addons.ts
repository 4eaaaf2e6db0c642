import * as pulumi from '@pulumi/pulumi';
import type { Account } from './account.ts';
import { ServiceRole } from './iam.ts';
import { eks } from './sdk.ts';

/** One EKS add-on. */
interface AddonRow {
  /** Pinned: an add-on that changes by itself is an outage nobody asked for. Versions for Kubernetes 1.34. */
  readonly version: string;
  /** `fixed`: nodes of managed node groups need it; Auto Mode's own nodes have it built in. */
  readonly neededBy: 'all' | 'fixed';
  readonly configuration?: object | undefined;
  /** Managed policies of the add-on's own account, given by Pod Identity. */
  readonly account?: {
    readonly name: string;
    readonly namespace: string;
    readonly policies: readonly string[];
  };
}

export const addons = {
  'metrics-server': { version: 'v0.9.0-eksbuild.7', neededBy: 'all' },
  'amazon-cloudwatch-observability': {
    version: 'v5.0.0-eksbuild.1',
    neededBy: 'all',
    account: {
      name: 'cloudwatch-agent',
      namespace: 'amazon-cloudwatch',
      policies: ['CloudWatchAgentServerPolicy'],
    },
  },
  'aws-secrets-store-csi-driver-provider': { version: 'v3.1.3-eksbuild.1', neededBy: 'all' },
  coredns: { version: 'v1.12.4-eksbuild.18', neededBy: 'fixed' },
  'kube-proxy': { version: 'v1.34.6-eksbuild.18', neededBy: 'fixed' },
  'vpc-cni': {
    version: 'v1.22.4-eksbuild.3',
    neededBy: 'fixed',
    configuration: {
      enableNetworkPolicy: 'true',
      // Sixteen addresses at a time: fewer calls to EC2 when many pods start at once.
      env: { ENABLE_PREFIX_DELEGATION: 'true' },
    },
    account: { name: 'aws-node', namespace: 'kube-system', policies: ['AmazonEKS_CNI_Policy'] },
  },
  'eks-pod-identity-agent': { version: 'v1.3.10-eksbuild.3', neededBy: 'fixed' },
} as const satisfies Record<string, AddonRow>;
export type AddonName = keyof typeof addons;

export interface AddonsArgs {
  readonly account: Account;
  readonly clusterName: pulumi.Input<string>;
  /** Are there managed node groups beside Auto Mode? */
  readonly fixedPools: boolean;
}

/** What runs in the cluster before anything of ours does, each at a pinned version with rights of its own. */
export class Addons extends pulumi.ComponentResource {
  constructor(name: string, args: AddonsArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Addons', name, {}, opts);
    const child = { parent: this };
    const { accountId, partition } = args.account;
    for (const [addonName, addon] of Object.entries(addons) as [AddonName, AddonRow][]) {
      if (addon.neededBy === 'fixed' && !args.fixedPools) continue;
      const { account } = addon;
      const role =
        account &&
        new ServiceRole(
          `${name}-${account.name}`,
          {
            service: 'pods.eks.amazonaws.com',
            tagSession: true,
            accountId,
            partition,
            managedPolicies: account.policies,
          },
          child,
        );
      new eks.Addon(
        `${name}-${addonName}`,
        {
          clusterName: args.clusterName,
          addonName,
          addonVersion: addon.version,
          resolveConflictsOnCreate: 'OVERWRITE',
          resolveConflictsOnUpdate: 'PRESERVE',
          ...(addon.configuration ? { configurationValues: JSON.stringify(addon.configuration) } : {}),
          ...(role ? { podIdentityAssociations: [{ serviceAccount: account.name, roleArn: role.arn }] } : {}),
        },
        { ...child, dependsOn: role ? [role] : [] },
      );
    }
    this.registerOutputs({});
  }
}
