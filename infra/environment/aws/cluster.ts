import type { Cluster as EksCluster } from '@pulumi/aws/eks/cluster.js';
import * as pulumi from '@pulumi/pulumi';
import { InfraError } from '../../errors.ts';
import type { Account } from './account.ts';
import { ServiceRole, type Statement } from './iam.ts';
import { cloudwatch, eks } from './sdk.ts';

/** From where the API server answers. */
export type EndpointAccess = 'private' | { readonly cidrs: readonly string[] };

export interface ClusterArgs {
  readonly account: Account;
  /** Kubernetes minor version. Raising it upgrades in place; it cannot be lowered. */
  readonly kubernetes: string;
  /** Private ones of at least two zones. Changed in place, never to another VPC. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Encrypts Kubernetes Secrets and logs. Changing it replaces the cluster. */
  readonly keyArn: pulumi.Input<string>;
  /** IAM principals that administer the cluster; whoever runs `up` is one. Nobody else has a way in. */
  readonly admins: readonly string[];
  /** `private`: only from inside the VPC or a network connected to it. @default 'private' */
  readonly endpointAccess?: EndpointAccess | undefined;
  /** Addresses of Services. Changing it replaces the cluster. @default '172.20.0.0/16' */
  readonly serviceCidr?: string | undefined;
  /** Refuses deletion by AWS itself, whoever asks; its logs then outlive it too. @default true */
  readonly deletionProtection?: boolean | undefined;
  /** @default 365 */
  readonly logRetentionDays?: number | undefined;
}

export const defaultServiceCidr = '172.20.0.0/16';
const logTypes = ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler'];
const autoModePolicies = [
  'AmazonEKSClusterPolicy',
  'AmazonEKSComputePolicy',
  'AmazonEKSBlockStoragePolicy',
  'AmazonEKSLoadBalancingPolicy',
  'AmazonEKSNetworkingPolicy',
];

/** Public endpoint settings of the API server. @throws InfraError POLICY_VIOLATED where everyone could reach it */
function endpoint(access: EndpointAccess) {
  if (access === 'private') return { endpointPrivateAccess: true, endpointPublicAccess: false };
  if (access.cidrs.length === 0 || access.cidrs.some((cidr) => /\/0$/.test(cidr))) {
    throw new InfraError(
      'POLICY_VIOLATED',
      "endpointAccess: list the networks that may reach the API server (never a range of /0), or write 'private'.",
    );
  }
  return { endpointPrivateAccess: true, endpointPublicAccess: true, publicAccessCidrs: [...access.cidrs] };
}

/** From where `up` must run, in words for the preview. */
export function whereToRunFrom(access: EndpointAccess): string {
  return access === 'private'
    ? 'the API server answers inside the VPC only: run `up` from a machine in it, or over a VPN, Direct Connect or peering (the first `up`, which makes the VPC: docs/stacks.md)'
    : `the API server answers ${access.cidrs.join(', ')} and the VPC: run \`up\` from there`;
}

const useKeyForVolumes = (keyArn: pulumi.Input<string>): Statement[] => [
  {
    Sid: 'EncryptVolumes',
    Effect: 'Allow',
    Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKeyWithoutPlaintext', 'kms:DescribeKey'],
    Resource: [keyArn],
  },
  {
    Sid: 'LendKeyToVolumes',
    Effect: 'Allow',
    Action: ['kms:CreateGrant'],
    Resource: [keyArn],
    Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
  },
];

/** An EKS cluster in Auto Mode: no default way in, secrets under our key, every control-plane log kept. */
export class Cluster extends pulumi.ComponentResource {
  readonly name: pulumi.Output<string>;
  readonly securityGroupId: pulumi.Output<string>;
  readonly nodeRoleName: pulumi.Output<string>;
  readonly nodeRoleArn: pulumi.Output<string>;
  /** For the Kubernetes provider. Holds no credential: `aws eks get-token` signs with the caller's own. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Cluster', name, {}, opts);
    const child = { parent: this };
    const { accountId, partition, region } = args.account;
    const protect = args.deletionProtection ?? true;
    if (args.admins.length === 0) {
      throw new InfraError(
        'SETTING_INVALID',
        'clusterAdmins: is empty, so nobody could reach the cluster, not even this `up`; name the IAM role that runs it.',
      );
    }
    // Before the cluster, which would else make one that is kept for ever and encrypted with nobody's key.
    const logs = new cloudwatch.LogGroup(
      `${name}-logs`,
      {
        name: `/aws/eks/${name}/cluster`,
        retentionInDays: args.logRetentionDays ?? 365,
        kmsKeyId: args.keyArn,
      },
      { ...child, retainOnDelete: protect },
    );
    const role = new ServiceRole(
      `${name}-cluster`,
      {
        service: 'eks.amazonaws.com',
        tagSession: true,
        accountId,
        partition,
        managedPolicies: autoModePolicies,
        // Auto Mode makes the nodes' volumes in this role's name, under our key.
        statements: useKeyForVolumes(args.keyArn),
      },
      child,
    );
    const cluster = new eks.Cluster(
      name,
      {
        name,
        version: args.kubernetes,
        roleArn: role.arn,
        bootstrapSelfManagedAddons: false,
        accessConfig: { authenticationMode: 'API', bootstrapClusterCreatorAdminPermissions: false },
        enabledClusterLogTypes: logTypes,
        encryptionConfig: { provider: { keyArn: args.keyArn }, resources: ['secrets'] },
        vpcConfig: { subnetIds: [...args.subnetIds], ...endpoint(args.endpointAccess ?? 'private') },
        computeConfig: { enabled: true },
        storageConfig: { blockStorage: { enabled: true } },
        kubernetesNetworkConfig: {
          serviceIpv4Cidr: args.serviceCidr ?? defaultServiceCidr,
          elasticLoadBalancing: { enabled: true },
        },
        upgradePolicy: { supportType: 'STANDARD' },
        zonalShiftConfig: { enabled: true },
        deletionProtection: protect,
      },
      { ...child, dependsOn: [logs, role], protect },
    );
    const nodeRole = new ServiceRole(
      `${name}-node`,
      {
        service: 'ec2.amazonaws.com',
        accountId,
        partition,
        // Auto Mode's nodes need no more; ECR is read only.
        managedPolicies: ['AmazonEKSWorkerNodeMinimalPolicy', 'AmazonEC2ContainerRegistryPullOnly'],
      },
      child,
    );
    grant(
      `${name}-nodes`,
      cluster.name,
      nodeRole.arn,
      'EC2',
      `arn:${partition}:eks::aws:cluster-access-policy/AmazonEKSAutoNodePolicy`,
      child,
    );
    args.admins.forEach((principal, i) => {
      grant(
        `${name}-admin-${i}`,
        cluster.name,
        principal,
        'STANDARD',
        `arn:${partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy`,
        child,
      );
    });
    this.name = cluster.name;
    this.securityGroupId = cluster.vpcConfig.clusterSecurityGroupId;
    this.nodeRoleName = nodeRole.name;
    this.nodeRoleArn = nodeRole.arn;
    this.kubeconfig = kubeconfig(cluster, region);
    this.registerOutputs({ name: this.name, securityGroupId: this.securityGroupId });
  }
}

/** An access entry: the only way into the cluster. */
function grant(
  name: string,
  clusterName: pulumi.Input<string>,
  principalArn: pulumi.Input<string>,
  type: 'EC2' | 'STANDARD',
  policyArn: string,
  opts: pulumi.ResourceOptions,
) {
  const entry = new eks.AccessEntry(name, { clusterName, principalArn, type }, opts);
  new eks.AccessPolicyAssociation(
    name,
    { clusterName, principalArn: entry.principalArn, policyArn, accessScope: { type: 'cluster' } },
    opts,
  );
}

function kubeconfig(cluster: EksCluster, region: string): pulumi.Output<string> {
  const context = 'modelmile';
  return pulumi.jsonStringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context,
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    clusters: [
      {
        name: context,
        cluster: {
          server: cluster.endpoint,
          'certificate-authority-data': cluster.certificateAuthority.data,
        },
      },
    ],
    users: [
      {
        name: context,
        user: {
          exec: {
            apiVersion: 'client.authentication.k8s.io/v1beta1',
            command: 'aws',
            args: ['eks', 'get-token', '--cluster-name', cluster.name, '--region', region],
            interactiveMode: 'Never',
          },
        },
      },
    ],
  });
}
