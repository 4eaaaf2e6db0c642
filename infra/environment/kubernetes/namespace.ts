import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { labelsOf } from '../../labels.ts';
import { dnsRule } from '../../network-rules.ts';

export interface NamespaceArgs {
  /** Name in the cluster. Changing it replaces everything in it. */
  readonly name: string;
  /**
   * `true` creates it with its Pod Security labels; `false` takes one that is there, for users with no rights on the cluster itself:
   * its owner then sets the labels. @default true
   */
  readonly create?: boolean | undefined;
  /** What all pods of the namespace may ask for together. @default 64 CPUs, 256 GiB, 16 GPUs, 100 pods */
  readonly quota?:
    | {
        readonly cpus?: number | undefined;
        readonly memoryGiB?: number | undefined;
        readonly gpus?: number | undefined;
        readonly pods?: number | undefined;
      }
    | undefined;
  /** Where the node itself resolves names, as on EKS Auto Mode. @default only CoreDNS in kube-system */
  readonly dnsCidr?: string | undefined;
}

/** The room a stack lives in: restricted Pod Security, a quota, and no traffic but what a policy lists. */
export class Namespace extends pulumi.ComponentResource {
  readonly name: pulumi.Output<string>;

  constructor(name: string, args: NamespaceArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Namespace', name, {}, opts);
    const child = { parent: this };
    const labels = labelsOf('namespace').all;
    if (args.create ?? true) {
      const level = (mode: string) => [
        [`pod-security.kubernetes.io/${mode}`, 'restricted'],
        [`pod-security.kubernetes.io/${mode}-version`, 'v1.34'],
      ];
      const namespace = new k8s.core.v1.Namespace(
        name,
        {
          metadata: {
            name: args.name,
            labels: {
              ...labels,
              ...Object.fromEntries(['enforce', 'audit', 'warn'].flatMap(level)),
            },
          },
        },
        child,
      );
      this.name = namespace.metadata.name;
    } else {
      this.name = pulumi.output(args.name);
    }
    const metadata = (of: string) => ({ name: of, namespace: this.name, labels });
    const { cpus = 64, memoryGiB = 256, gpus = 16, pods = 100 } = args.quota ?? {};
    new k8s.core.v1.ResourceQuota(
      `${name}-quota`,
      {
        metadata: metadata('modelmile'),
        spec: {
          hard: {
            pods: String(pods),
            'requests.cpu': String(cpus),
            'requests.memory': `${memoryGiB}Gi`,
            'limits.memory': `${memoryGiB}Gi`,
            'requests.nvidia.com/gpu': String(gpus),
            // Whoever may create a NodePort opens a port of every node.
            'services.nodeports': '0',
          },
        },
      },
      child,
    );
    new k8s.networking.v1.NetworkPolicy(
      `${name}-default-deny`,
      {
        metadata: metadata('default-deny'),
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      },
      child,
    );
    new k8s.networking.v1.NetworkPolicy(
      `${name}-allow-dns`,
      {
        metadata: metadata('allow-dns'),
        spec: { podSelector: {}, policyTypes: ['Egress'], egress: [dnsRule(args.dnsCidr)] },
      },
      child,
    );
    this.registerOutputs({ name: this.name });
  }
}
