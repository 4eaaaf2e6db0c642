import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { GpuModel } from '../hardware.ts';

/** Label that every pool of ours carries: what pods select nodes by. */
export const poolLabel = 'modelmile.dev/pool';

export interface NodeClassArgs {
  readonly nodeRoleName: pulumi.Input<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly securityGroupId: pulumi.Input<string>;
  readonly keyArn: pulumi.Input<string>;
  /** Root volume of a node: images and models. @default 100 */
  readonly diskGiB?: number | undefined;
  /**
   * Addresses a node takes: `prefix` 16 at a time, good for many small pods; `single` one by one, for a thousand nodes with few pods each.
   * @default 'prefix'
   */
  readonly podAddresses?: 'prefix' | 'single' | undefined;
}

/** The machines of EKS Auto Mode: private, encrypted under our key, NetworkPolicies enforced and logged. */
export class NodeClass extends pulumi.ComponentResource {
  readonly name: pulumi.Output<string>;

  constructor(name: string, args: NodeClassArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:NodeClass', name, {}, opts);
    const child = { parent: this };
    // Auto Mode's network policy controller is off until this says otherwise.
    const controller = new k8s.core.v1.ConfigMap(
      `${name}-network-policy`,
      {
        metadata: { name: 'amazon-vpc-cni', namespace: 'kube-system' },
        data: { 'enable-network-policy-controller': 'true' },
      },
      child,
    );
    const nodeClass = new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: 'eks.amazonaws.com/v1',
        kind: 'NodeClass',
        metadata: { name },
        spec: {
          role: args.nodeRoleName,
          subnetSelectorTerms: args.subnetIds.map((id) => ({ id })),
          securityGroupSelectorTerms: [{ id: args.securityGroupId }],
          networkPolicy: 'DefaultAllow',
          networkPolicyEventLogs: 'Enabled',
          snatPolicy: 'Random',
          ephemeralStorage: {
            size: `${args.diskGiB ?? 100}Gi`,
            iops: 3000,
            throughput: 250,
            kmsKeyID: args.keyArn,
          },
          ...(args.podAddresses === 'single' ? { advancedNetworking: { ipv4PrefixSize: '32' } } : {}),
        },
      },
      { ...child, dependsOn: [controller] },
    );
    this.name = nodeClass.metadata.name;
    this.registerOutputs({ name: this.name });
  }
}

export interface ElasticPoolArgs {
  readonly nodeClassName: pulumi.Input<string>;
  /** Which machines: GPU pools by the GPU's name, CPU pools by category. Changing it drifts nodes: they are replaced one by one. */
  readonly machines:
    | { readonly gpu: GpuModel; readonly instanceTypes: readonly string[] }
    | { readonly instanceTypes: readonly string[] };
  /** `spot-first` takes spot where it is to be had, else on-demand. @default 'on-demand' */
  readonly capacity?: 'spot-first' | 'on-demand' | 'reserved-first' | undefined;
  /** The pool never grows beyond this. */
  readonly limits: { readonly cpus: number; readonly memoryGiB: number; readonly gpus?: number };
  /** Idle for this long, a node goes. @default '5m' */
  readonly consolidateAfter?: string | undefined;
  /** After this long a node is replaced by one with a current image. @default '336h', Auto Mode's longest is 504h */
  readonly expireAfter?: string | undefined;
}

const capacityTypes = {
  'on-demand': ['on-demand'],
  'spot-first': ['spot', 'on-demand'],
  'reserved-first': ['reserved', 'spot', 'on-demand'],
} as const;

/** Nodes that come when a pod needs them and go when none does, down to zero (Karpenter's NodePool, run by EKS Auto Mode). */
export class ElasticPool extends pulumi.ComponentResource {
  constructor(name: string, args: ElasticPoolArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:ElasticPool', name, {}, opts);
    const gpu = 'gpu' in args.machines ? args.machines.gpu : undefined;
    const requirement = (key: string, values: readonly string[]) => ({
      key,
      operator: 'In',
      values: [...values],
    });
    new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: 'karpenter.sh/v1',
        kind: 'NodePool',
        metadata: { name },
        spec: {
          template: {
            metadata: { labels: { [poolLabel]: name } },
            spec: {
              nodeClassRef: { group: 'eks.amazonaws.com', kind: 'NodeClass', name: args.nodeClassName },
              requirements: [
                requirement('kubernetes.io/arch', ['amd64']),
                requirement('kubernetes.io/os', ['linux']),
                requirement('karpenter.sh/capacity-type', capacityTypes[args.capacity ?? 'on-demand']),
                requirement('node.kubernetes.io/instance-type', args.machines.instanceTypes),
              ],
              // A pod that asks for no GPU must not hold a GPU node.
              ...(gpu ? { taints: [{ key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' }] } : {}),
              expireAfter: args.expireAfter ?? '336h',
              terminationGracePeriod: '1h',
            },
          },
          limits: {
            cpu: String(args.limits.cpus),
            memory: `${args.limits.memoryGiB}Gi`,
            ...(gpu ? { 'nvidia.com/gpu': String(args.limits.gpus ?? 0) } : {}),
          },
          disruption: {
            // A GPU node that still works is never emptied to save money: the model would load again for it.
            consolidationPolicy: gpu ? 'WhenEmpty' : 'WhenEmptyOrUnderutilized',
            consolidateAfter: args.consolidateAfter ?? '5m',
            budgets: [{ nodes: '10%' }],
          },
        },
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
