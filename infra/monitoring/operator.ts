import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { labelsOf } from '../labels.ts';
import type { ScrapeTarget } from './config.ts';
import { dashboard } from './dashboard.ts';
import type { RuleFile } from './rules.ts';

export interface OperatorMonitoringArgs {
  readonly namespace: pulumi.Input<string>;
  readonly rules: RuleFile;
  readonly targets: readonly ScrapeTarget[];
  /** What the cluster's Prometheus selects rules and monitors by. @default { release: 'kube-prometheus-stack' } */
  readonly selector?: Readonly<Record<string, string>> | undefined;
}

/** For clusters that have kube-prometheus-stack: rules, monitors and the dashboard in the forms that it picks up. */
export class OperatorMonitoring extends pulumi.ComponentResource {
  constructor(name: string, args: OperatorMonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:monitoring:OperatorMonitoring', name, {}, opts);
    const child = { parent: this };
    const labels = {
      ...labelsOf('monitoring').all,
      ...(args.selector ?? { release: 'kube-prometheus-stack' }),
    };
    const { namespace } = args;
    new k8s.apiextensions.CustomResource(
      `${name}-rules`,
      {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PrometheusRule',
        metadata: { name: 'modelmile', namespace, labels },
        spec: args.rules,
      },
      child,
    );
    for (const target of args.targets) {
      new k8s.apiextensions.CustomResource(
        `${name}-${target.job}`,
        {
          apiVersion: 'monitoring.coreos.com/v1',
          kind: 'PodMonitor',
          metadata: { name: target.job, namespace: target.namespace, labels },
          spec: {
            jobLabel: 'app.kubernetes.io/component',
            selector: { matchLabels: { ...labelsOf(target.component).selector } },
            podMetricsEndpoints: [
              {
                port: target.port,
                interval: '15s',
                // The rules name jobs as the catalogue does.
                relabelings: [
                  { targetLabel: 'job', replacement: target.job },
                  { sourceLabels: ['__meta_kubernetes_pod_name'], targetLabel: 'pod' },
                ],
              },
            ],
          },
        },
        child,
      );
    }
    new k8s.core.v1.ConfigMap(
      `${name}-dashboard`,
      {
        metadata: { name: 'modelmile-dashboard', namespace, labels: { ...labels, grafana_dashboard: '1' } },
        data: { 'modelmile.json': `${JSON.stringify(dashboard(), null, 2)}\n` },
      },
      child,
    );
    this.registerOutputs({});
  }
}
