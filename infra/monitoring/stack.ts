import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { stringify } from 'yaml';
import { imageRef } from '../images.ts';
import { labelsOf } from '../labels.ts';
import {
  addresses,
  egressTo,
  httpsToTheInternet,
  ingressFrom,
  namespaceOf,
  podsOf,
} from '../network-rules.ts';
import { SinglePod } from '../single-pod.ts';
import {
  alertmanagerConfig,
  grafanaProvisioning,
  type Notifications,
  notificationsDir,
  prometheusConfig,
  type ScrapeTarget,
} from './config.ts';
import { dashboard, datasourceUid } from './dashboard.ts';
import type { RuleFile } from './rules.ts';

export interface MonitoringStackArgs {
  readonly namespace: pulumi.Input<string>;
  readonly rules: RuleFile;
  readonly targets: readonly ScrapeTarget[];
  /** @default alerts are shown, nobody is told */
  readonly notifications?: Notifications | undefined;
  /** Namespaces that may ask Prometheus, KEDA's for example. @default none */
  readonly readers?: readonly string[] | undefined;
  /** @default the public registries */
  readonly imageRegistry?: string | undefined;
  /** How far back. @default 15 */
  readonly retentionDays?: number | undefined;
  /** Of Prometheus's volume. @default 50 */
  readonly storageGiB?: number | undefined;
  /** Of Prometheus: some 5 KiB a series. @default 2048 */
  readonly memoryMiB?: number | undefined;
  /** @default the cluster's own default class */
  readonly storageClass?: string | undefined;
}

export const prometheusLabels = labelsOf('prometheus');
const grafana = podsOf(labelsOf('grafana'));
const prometheus = podsOf(prometheusLabels);
const alertmanager = podsOf(labelsOf('alertmanager'));
const data = (path: string, gib: number, storageClass?: string) => ({
  data: { path, gib, storageClass },
});

/**
 * Prometheus, Alertmanager and Grafana of a stack, configured by files only. Grafana has no users: it shows what code says, to whoever
 * may reach it (`kubectl port-forward`), so there is no password to keep, to leak or to export.
 */
export class MonitoringStack extends pulumi.ComponentResource {
  constructor(name: string, args: MonitoringStackArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:monitoring:MonitoringStack', name, {}, opts);
    const child = { parent: this };
    const { namespace, notifications } = args;
    const shared = { namespace };
    const alerts = new SinglePod(
      `${name}-alertmanager`,
      {
        ...shared,
        component: 'alertmanager',
        image: imageRef('alertmanager', args.imageRegistry),
        port: 9093,
        uid: 65534,
        args: [
          '--config.file=/etc/alertmanager/config/alertmanager.yml',
          '--storage.path=/alertmanager',
          // One Alertmanager has nobody to gossip with.
          '--cluster.listen-address=',
        ],
        files: { '/etc/alertmanager/config': { 'alertmanager.yml': alertmanagerConfig(notifications) } },
        volumes: notifications
          ? [
              {
                mountPath: notificationsDir,
                volume: { secret: { secretName: notifications.secretName, defaultMode: 0o440 } },
              },
            ]
          : [],
        ...data('/alertmanager', 1, args.storageClass),
        ready: { path: '/-/ready' },
        cpuMillis: 50,
        memoryMiB: 128,
        ingress: [ingressFrom([prometheus, grafana], 9093)],
        egress: notifications ? [httpsToTheInternet] : [],
      },
      child,
    );
    const account = this.discovery(name, args);
    new SinglePod(
      `${name}-prometheus`,
      {
        ...shared,
        component: 'prometheus',
        image: imageRef('prometheus', args.imageRegistry),
        port: 9090,
        uid: 65534,
        args: [
          '--config.file=/etc/prometheus/prometheus.yml',
          '--storage.tsdb.path=/prometheus',
          `--storage.tsdb.retention.time=${args.retentionDays ?? 15}d`,
          `--storage.tsdb.retention.size=${Math.floor((args.storageGiB ?? 50) * 0.85)}GB`,
        ],
        files: {
          '/etc/prometheus': {
            'prometheus.yml': prometheusConfig(args.targets, 'modelmile-alertmanager:9093'),
            'rules.yml': stringify(args.rules),
          },
        },
        ...data('/prometheus', args.storageGiB ?? 50, args.storageClass),
        ready: { path: '/-/ready' },
        cpuMillis: 250,
        memoryMiB: args.memoryMiB ?? 2048,
        serviceAccountName: account,
        ingress: [ingressFrom([grafana, ...(args.readers ?? []).map(namespaceOf)], 9090)],
        egress: [
          egressTo([addresses('0.0.0.0/0')], 443, 6443),
          egressTo([alertmanager], 9093),
          ...args.targets.map((target) =>
            egressTo(
              [{ ...namespaceOf(target.namespace), ...podsOf(labelsOf(target.component)) }],
              9090,
              9400,
            ),
          ),
        ],
      },
      { ...child, dependsOn: [alerts] },
    );
    new SinglePod(
      `${name}-grafana`,
      {
        ...shared,
        component: 'grafana',
        image: imageRef('grafana', args.imageRegistry),
        port: 3000,
        uid: 472,
        env: Object.entries(grafanaSettings).map(([key, value]) => ({ name: `GF_${key}`, value })),
        files: {
          '/etc/grafana/provisioning/datasources': pick('datasources.yaml'),
          '/etc/grafana/provisioning/dashboards': pick('dashboards.yaml'),
          '/etc/grafana/dashboards': { 'modelmile.json': `${JSON.stringify(dashboard(), null, 2)}\n` },
        },
        scratch: ['/var/lib/grafana', '/tmp'],
        ready: { path: '/api/health' },
        cpuMillis: 100,
        memoryMiB: 256,
        // Reached by `kubectl port-forward`, which needs no rule.
        ingress: [],
        egress: [egressTo([prometheus], 9090), egressTo([alertmanager], 9093)],
      },
      child,
    );
    this.registerOutputs({});
  }

  /** May list pods where there is something to scrape, and nothing else. */
  private discovery(name: string, args: MonitoringStackArgs): pulumi.Output<string> {
    const child = { parent: this };
    const metadata = (namespace: pulumi.Input<string>) => ({
      name: 'modelmile-prometheus',
      namespace,
      labels: prometheusLabels.all,
    });
    const account = new k8s.core.v1.ServiceAccount(
      name,
      { metadata: metadata(args.namespace), automountServiceAccountToken: false },
      child,
    );
    for (const namespace of new Set(args.targets.map((target) => target.namespace))) {
      const role = new k8s.rbac.v1.Role(
        `${name}-${namespace}`,
        {
          metadata: metadata(namespace),
          rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
        },
        child,
      );
      new k8s.rbac.v1.RoleBinding(
        `${name}-${namespace}`,
        {
          metadata: metadata(namespace),
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role.metadata.name },
          subjects: [{ kind: 'ServiceAccount', name: account.metadata.name, namespace: args.namespace }],
        },
        child,
      );
    }
    return account.metadata.name;
  }
}

const grafanaSettings = {
  AUTH_ANONYMOUS_ENABLED: 'true',
  AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
  AUTH_DISABLE_LOGIN_FORM: 'true',
  AUTH_BASIC_ENABLED: 'false',
  SECURITY_DISABLE_INITIAL_ADMIN_CREATION: 'true',
  SECURITY_DISABLE_GRAVATAR: 'true',
  ANALYTICS_REPORTING_ENABLED: 'false',
  ANALYTICS_CHECK_FOR_UPDATES: 'false',
  ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: 'false',
  PLUGINS_PREINSTALL_DISABLED: 'true',
  LOG_MODE: 'console',
} as const;

/** One provisioning file in a folder of its own, as Grafana wants them. */
function pick(file: 'datasources.yaml' | 'dashboards.yaml'): Record<string, string> {
  return { [file]: grafanaProvisioning('http://modelmile-prometheus:9090', datasourceUid)[file] };
}
