import * as pulumi from '@pulumi/pulumi';
import { type CheckedGpuStack, checkGpuStack } from '../compatibility.ts';
import { type InstanceTypeName, instanceType } from '../hardware.ts';
import type { Account } from './account.ts';
import { poolLabel } from './elastic-pool.ts';
import { ServiceRole } from './iam.ts';
import { ec2, eks } from './sdk.ts';
import { userData } from './user-data.ts';

export interface FixedPoolArgs {
  readonly account: Account;
  /** Begins the name of the node group: unique in the cluster, at most 20 characters. */
  readonly groupName: string;
  readonly clusterName: pulumi.Input<string>;
  readonly kubernetes: string;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly keyArn: pulumi.Input<string>;
  /** Changing it replaces the nodes as `replacement` says. */
  readonly instanceType: InstanceTypeName;
  /** `1.34.4-20260318`, never "latest". Changing it replaces the nodes as `replacement` says. */
  readonly amiRelease: string;
  /** It starts with so many; nobody but you scales it. */
  readonly minNodes: number;
  readonly maxNodes: number;
  /** A capacity reservation or block that is there. @default none */
  readonly reservation?: { readonly id: string; readonly kind: 'on-demand' | 'capacity-block' } | undefined;
  /**
   * `blue-green` starts a second group before the first is drained, and needs its capacity twice; `rolling` replaces node by node,
   * for reserved machines of which there are no more. @default 'blue-green' without a reservation, 'rolling' with one
   */
  readonly replacement?: 'blue-green' | 'rolling' | undefined;
  /** Changing it replaces the nodes as `replacement` says. @default 200 */
  readonly diskGiB?: number | undefined;
  /** Version of onnxruntime in the serving image, for the compatibility check. */
  readonly onnxruntime: string;
}

/** Machines that stay: reserved GPUs, and nodes whose kernel parameters are ours (a managed node group with its launch template). */
export class FixedPool extends pulumi.ComponentResource {
  /** What was checked before anything is created; undefined for CPU pools. */
  readonly checked: CheckedGpuStack | undefined;

  constructor(name: string, args: FixedPoolArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:FixedPool', name, {}, opts);
    const child = { parent: this };
    const machine = instanceType(args.instanceType);
    if (machine.gpu) {
      this.checked = checkGpuStack({
        where: `nodePools ${name}`,
        kubernetes: args.kubernetes,
        amiRelease: args.amiRelease,
        gpu: machine.gpu,
        onnxruntime: args.onnxruntime,
      });
    }
    const { accountId, partition } = args.account;
    const role = new ServiceRole(
      name,
      {
        service: 'ec2.amazonaws.com',
        accountId,
        partition,
        // The CNI has its own account (Pod Identity), so a node may not change network interfaces.
        managedPolicies: ['AmazonEKSWorkerNodePolicy', 'AmazonEC2ContainerRegistryPullOnly'],
      },
      child,
    );
    const block = args.reservation?.kind === 'capacity-block';
    const template = new ec2.LaunchTemplate(
      name,
      {
        namePrefix: `${name}-`,
        instanceType: args.instanceType,
        updateDefaultVersion: true,
        ebsOptimized: 'true',
        userData: userData(),
        metadataOptions: {
          httpEndpoint: 'enabled',
          // IMDSv2 only; one hop, so that no pod reaches the node's own credentials.
          httpTokens: 'required',
          httpPutResponseHopLimit: 1,
          instanceMetadataTags: 'disabled',
        },
        monitoring: { enabled: true },
        blockDeviceMappings: [
          {
            deviceName: '/dev/xvda',
            ebs: {
              volumeType: 'gp3',
              volumeSize: args.diskGiB ?? 200,
              iops: 3000,
              throughput: 600,
              encrypted: 'true',
              kmsKeyId: args.keyArn,
              deleteOnTermination: 'true',
            },
          },
        ],
        ...(args.reservation
          ? {
              capacityReservationSpecification: {
                capacityReservationTarget: { capacityReservationId: args.reservation.id },
              },
            }
          : {}),
        ...(block ? { instanceMarketOptions: { marketType: 'capacity-block' } } : {}),
        tagSpecifications: [
          { resourceType: 'instance', tags: { Name: name } },
          { resourceType: 'volume', tags: { Name: name } },
        ],
      },
      child,
    );
    const rolling = (args.replacement ?? (args.reservation ? 'rolling' : 'blue-green')) === 'rolling';
    new eks.NodeGroup(
      name,
      {
        clusterName: args.clusterName,
        nodeGroupNamePrefix: `${args.groupName}-`,
        nodeRoleArn: role.arn,
        subnetIds: [...args.subnetIds],
        version: args.kubernetes,
        amiType: machine.gpu ? 'AL2023_x86_64_NVIDIA' : 'AL2023_x86_64_STANDARD',
        releaseVersion: args.amiRelease,
        capacityType: block ? 'CAPACITY_BLOCK' : 'ON_DEMAND',
        launchTemplate: { id: template.id, version: pulumi.interpolate`${template.latestVersion}` },
        scalingConfig: { minSize: args.minNodes, maxSize: args.maxNodes, desiredSize: args.minNodes },
        updateConfig: { maxUnavailable: 1 },
        nodeRepairConfig: { enabled: true },
        labels: {
          [poolLabel]: name,
          ...(machine.gpu ? { 'modelmile.dev/gpu': 'true' } : {}),
        },
        ...(machine.gpu ? { taints: [{ key: 'nvidia.com/gpu', value: 'true', effect: 'NO_SCHEDULE' }] } : {}),
      },
      {
        ...child,
        dependsOn: [role],
        // Whoever scales the group owns the number.
        ignoreChanges: ['scalingConfig.desiredSize'],
        ...(rolling ? {} : { replaceOnChanges: ['releaseVersion', 'launchTemplate', 'version'] }),
      },
    );
    this.registerOutputs({});
  }
}
