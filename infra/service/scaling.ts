import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { Labels } from '../labels.ts';

export interface ScalingArgs {
  readonly namespace: pulumi.Input<string>;
  readonly labels: Labels;
  /** Name of the Deployment. */
  readonly target: pulumi.Input<string>;
  /**
   * `keda` scales on requests per second from Prometheus, where KEDA is installed; `cpu` is Kubernetes's own autoscaler on CPU time;
   * `none` keeps `minReplicas`.
   */
  readonly on: 'keda' | 'cpu' | 'none';
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Load of one replica at which another is added (keda). */
  readonly requestsPerSecondPerReplica: number;
  /** Where KEDA asks (keda). */
  readonly prometheusUrl: pulumi.Input<string>;
}

/** Seconds that the highest need of the recent past is kept: a dip in load does not unload models that are needed a minute later. */
const scaleDownAfterSeconds = 300;

const behaviour = {
  scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: 'Percent', value: 100, periodSeconds: 30 }] },
  scaleDown: {
    stabilizationWindowSeconds: scaleDownAfterSeconds,
    policies: [{ type: 'Percent', value: 25, periodSeconds: 60 }],
  },
};

/** How many replicas there are, and how many may go at once. */
export class Scaling extends pulumi.ComponentResource {
  constructor(name: string, args: ScalingArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:service:Scaling', name, {}, opts);
    const child = { parent: this };
    const metadata = { name: 'modelmile-serving', namespace: args.namespace, labels: args.labels.all };
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: args.target };
    new k8s.policy.v1.PodDisruptionBudget(
      name,
      {
        metadata,
        spec: {
          // One at a time, and always one: `minAvailable: 100%` would block every node upgrade for ever.
          maxUnavailable: 1,
          selector: { matchLabels: { ...args.labels.selector } },
          unhealthyPodEvictionPolicy: 'AlwaysAllow',
        },
      },
      child,
    );
    if (args.on === 'cpu') {
      new k8s.autoscaling.v2.HorizontalPodAutoscaler(
        name,
        {
          metadata,
          spec: {
            scaleTargetRef,
            minReplicas: args.minReplicas,
            maxReplicas: args.maxReplicas,
            metrics: [
              {
                type: 'Resource',
                resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } },
              },
            ],
            behavior: behaviour,
          },
        },
        child,
      );
    }
    if (args.on === 'keda') {
      new k8s.apiextensions.CustomResource(
        name,
        {
          apiVersion: 'keda.sh/v1alpha1',
          kind: 'ScaledObject',
          metadata,
          spec: {
            scaleTargetRef,
            minReplicaCount: args.minReplicas,
            maxReplicaCount: args.maxReplicas,
            pollingInterval: 15,
            cooldownPeriod: scaleDownAfterSeconds,
            // Without Prometheus the service keeps what the plan needs at full load, instead of shrinking blindly.
            fallback: { failureThreshold: 3, replicas: args.minReplicas },
            advanced: { horizontalPodAutoscalerConfig: { behavior: behaviour } },
            triggers: [
              {
                type: 'prometheus',
                metadata: {
                  serverAddress: args.prometheusUrl,
                  query: 'sum(rate(modelmile_requests_total[1m]))',
                  threshold: String(args.requestsPerSecondPerReplica),
                },
              },
            ],
          },
        },
        child,
      );
    }
    this.registerOutputs({});
  }
}
