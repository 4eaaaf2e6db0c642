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
    'imageRegistry' | 'retentionDays' | 'storageGiB' | 'storageClass' | 'readers'
  > {
  readonly namespace: string;
  /** `stack` runs Prometheus, Alertmanager and Grafana; `operator` gives rules and monitors to kube-prometheus-stack. @default 'stack' */
  readonly kind?: 'stack' | 'operator';
  /** Namespace of the cluster's own Prometheus (operator). @default 'monitoring' */
  readonly operatorNamespace?: string;
  /** @default 99.9 % without 5xx, 99 % within 0.25 s */
  readonly objectives?: Partial<Objectives>;
  /** Where docs/runbooks is published. @default the path in the repository */
  readonly runbookUrl?: string;
  readonly notifications?: Notifications;
  /** Namespace of the GPU metrics, where there are GPUs. @default none */
  readonly nodeAgentsNamespace?: string;
}

const servingJob = 'modelmile-serving';

/** Who scrapes the service: the only peer that its port 9090 is open to. */
export function scraper(
  kind: MonitoringArgs['kind'],
  operatorNamespace = 'monitoring',
): types.input.networking.v1.NetworkPolicyPeer {
  return kind === 'operator' ? namespaceOf(operatorNamespace) : podsOf(prometheusLabels);
}

/** monitoring = k(performance, anomalies, security): rules, promises, graphs and messages, all from the catalogue of metrics. */
export class Monitoring extends pulumi.ComponentResource {
  /** Where KEDA and people ask. */
  readonly prometheusUrl: pulumi.Output<string>;

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
      this.prometheusUrl = pulumi.output(
        `http://prometheus-operated.${args.operatorNamespace ?? 'monitoring'}.svc:9090`,
      );
    } else {
      this.prometheusUrl = new MonitoringStack(
        `${name}-stack`,
        { ...args, rules, targets },
        child,
      ).prometheusUrl;
    }
    this.registerOutputs({ prometheusUrl: this.prometheusUrl });
  }
}
