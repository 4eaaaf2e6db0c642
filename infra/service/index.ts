import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { ports } from '../../serving/contract/index.ts';
import { type Labels, labelsOf } from '../labels.ts';
import { addresses, httpsToTheInternet, ingressFrom, namespaceOf } from '../network-rules.ts';
import { Exposure, type ExposureKind } from './exposure.ts';
import { Scaling, type ScalingArgs } from './scaling.ts';
import { Workload, type WorkloadArgs } from './workload.ts';

type EgressRule = k8s.types.input.networking.v1.NetworkPolicyEgressRule;
type Peer = k8s.types.input.networking.v1.NetworkPolicyPeer;

export interface InferenceServiceArgs
  extends Omit<WorkloadArgs, 'labels' | 'autoscaled' | 'priorityClassName' | 'size'> {
  readonly size: WorkloadArgs['size'] & Pick<ScalingArgs, 'maxReplicas' | 'requestsPerSecondPerReplica'>;
  /** @default reachable inside the cluster only */
  readonly exposure?: ExposureKind | undefined;
  /** @default 'cpu' */
  readonly scaleOn?: ScalingArgs['on'] | undefined;
  readonly prometheusUrl: pulumi.Input<string>;
  /** Who scrapes port 9090, and is the only one who may. */
  readonly prometheus: Peer;
  /** Namespaces whose pods may call the API. @default its own only */
  readonly callers?: readonly string[] | undefined;
  /** Where the server may connect to: database, cache. */
  readonly egress: readonly EgressRule[];
  /** PriorityClasses belong to the cluster: false where the stack has no rights there. @default true */
  readonly clusterRights?: boolean | undefined;
}

/** Labels of the serving pods: what NetworkPolicies of other components name. */
export const servingLabels: Labels = labelsOf('serving');

/** service = h(container, interface, deployment tools): the server in a cluster, reachable, scaled and fenced in. */
export class InferenceService extends pulumi.ComponentResource {
  readonly endpoint: pulumi.Output<string>;

  constructor(name: string, args: InferenceServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:service:InferenceService', name, {}, opts);
    const child = { parent: this };
    const { namespace } = args;
    const labels = servingLabels;
    const exposure = args.exposure ?? { kind: 'cluster' };
    const scaleOn = args.scaleOn ?? 'cpu';
    const priorityClass =
      (args.clusterRights ?? true)
        ? new k8s.scheduling.v1.PriorityClass(
            name,
            {
              metadata: { name: `modelmile-serving-${name}`, labels: labels.all },
              value: 100_000,
              description: 'Answers to callers go before batch work.',
            },
            child,
          )
        : undefined;
    const workload = new Workload(
      `${name}-workload`,
      {
        ...args,
        labels,
        autoscaled: scaleOn !== 'none',
        ...(priorityClass ? { priorityClassName: priorityClass.metadata.name } : {}),
      },
      child,
    );
    new Scaling(
      `${name}-scaling`,
      {
        namespace,
        labels,
        target: workload.deployment.metadata.name,
        on: scaleOn,
        minReplicas: args.size.minReplicas,
        maxReplicas: args.size.maxReplicas,
        requestsPerSecondPerReplica: args.size.requestsPerSecondPerReplica,
        prometheusUrl: args.prometheusUrl,
      },
      child,
    );
    new k8s.networking.v1.NetworkPolicy(
      name,
      {
        metadata: { name: 'modelmile-serving', namespace, labels: labels.all },
        spec: {
          podSelector: { matchLabels: { ...labels.selector } },
          policyTypes: ['Ingress', 'Egress'],
          ingress: [
            ingressFrom(callers(args.callers ?? [], exposure), ports.rest, ports.grpc),
            ingressFrom([args.prometheus], ports.management),
          ],
          egress: [...args.egress, ...(args.modelSource.kind === 'remote' ? [httpsToTheInternet] : [])],
        },
      },
      child,
    );
    this.endpoint = new Exposure(`${name}-exposure`, { namespace, labels, exposure }, child).endpoint;
    this.registerOutputs({ endpoint: this.endpoint });
  }
}

/** Who may call: the namespace itself, the listed namespaces, and whatever stands at the way in from outside. */
function callers(namespaces: readonly string[], exposure: ExposureKind): [Peer, ...Peer[]] {
  const peers: [Peer, ...Peer[]] = [{ podSelector: {} }, ...namespaces.map(namespaceOf)];
  if (exposure.kind === 'gateway') peers.push(namespaceOf(exposure.dataPlaneNamespace));
  if (exposure.kind === 'load-balancer')
    peers.push(...exposure.sourceRanges.map((range) => addresses(range)));
  return peers;
}

export type { ModelSource, ModelVersion } from './models.ts';
export { secretsDir } from './workload.ts';
