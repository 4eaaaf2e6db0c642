import type { types } from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { namespaceOf, podsOf } from '../network-rules.ts';
import type { Notifications, ScrapeTarget } from './config.ts';
import { OperatorMonitoring } from './operator.ts';
import { ruleFile } from './rules.ts';
import { defaultObjectives, type Objectives } from './slo.ts';
import { MonitoringStack, type MonitoringStackArgs, prometheusLabels } from './stack.ts';

export interface MonitoringArgs
  extends Pick<
    MonitoringStackArgs,
    'imageRegistry' | 'retentionDays' | 'storageGiB' | 'memoryMiB' | 'storageClass' | 'readers'
  > {
  readonly namespace: string;
  /** `stack` runs Prometheus, Alertmanager and Grafana; `operator` gives rules and monitors to kube-prometheus-stack. @default 'stack' */
  readonly kind?: 'stack' | 'operator' | undefined;
  /** Namespace of the cluster's own Prometheus (operator). @default 'monitoring' */
  readonly operatorNamespace?: string | undefined;
  /** @default 99.9 % without 5xx, 99 % within 0.25 s */
  readonly objectives?: Partial<Objectives> | undefined;
  /** Where docs/runbooks is published. @default the path in the repository */
  readonly runbookUrl?: string | undefined;
  readonly notifications?: Notifications | undefined;
  /** Namespace of the GPU metrics, where there are GPUs. @default none */
  readonly nodeAgentsNamespace?: string | undefined;
}

const servingJob = 'modelmile-serving';

/** Who scrapes the service: the only peer that its port 9090 is open to. */
export function scraper(
  kind: MonitoringArgs['kind'],
  operatorNamespace = 'monitoring',
): types.input.networking.v1.NetworkPolicyPeer {
  return kind === 'operator' ? namespaceOf(operatorNamespace) : podsOf(prometheusLabels);
}

/** Where Prometheus answers: known before it is there, so that scaling can name it. */
export function prometheusUrl(
  kind: MonitoringArgs['kind'],
  namespace: string,
  operatorNamespace = 'monitoring',
): string {
  return kind === 'operator'
    ? `http://prometheus-operated.${operatorNamespace}.svc:9090`
    : `http://modelmile-prometheus.${namespace}.svc:9090`;
}

/** monitoring = k(performance, anomalies, security): rules, promises, graphs and messages, all from the catalogue of metrics. */
export class Monitoring extends pulumi.ComponentResource {
  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:monitoring:Monitoring', name, {}, opts);
    const child = { parent: this };
    const rules = ruleFile({ ...defaultObjectives, ...args.objectives }, args.runbookUrl);
    const targets: ScrapeTarget[] = [
      { job: servingJob, namespace: args.namespace, component: 'serving', port: 'management' },
      ...(args.nodeAgentsNamespace === undefined
        ? []
        : [
            { job: 'dcgm', namespace: args.nodeAgentsNamespace, component: 'dcgm-exporter', port: 'metrics' },
          ]),
    ];
    if (args.kind === 'operator') {
      new OperatorMonitoring(`${name}-operator`, { namespace: args.namespace, rules, targets }, child);
    } else {
      new MonitoringStack(`${name}-stack`, { ...args, rules, targets }, child);
    }
    this.registerOutputs({});
  }
}
