import { stringify } from 'yaml';
import { InfraError } from '../errors.ts';

/** How people are told. The address is a file of a Secret that is there: it is a credential, and never in the stack. */
export interface Receiver {
  /** Key of the Secret. */
  readonly key: string;
  readonly kind: 'slack' | 'pagerduty' | 'webhook';
}

export interface Notifications {
  /** Secret in the namespace with the keys. */
  readonly secretName: string;
  readonly page: Receiver;
  readonly ticket: Receiver;
}

export const notificationsDir = '/etc/alertmanager/secrets';

/** Each kind of receiver reads its address from a file. https://prometheus.io/docs/alerting/latest/configuration/ */
const receivers: Readonly<Record<Receiver['kind'], (file: string) => object>> = {
  slack: (file) => ({ slack_configs: [{ api_url_file: file, channel: '#alerts', send_resolved: true }] }),
  pagerduty: (file) => ({ pagerduty_configs: [{ routing_key_file: file, send_resolved: true }] }),
  webhook: (file) => ({ webhook_configs: [{ url_file: file, send_resolved: true }] }),
};

/**
 * Alertmanager's configuration: pages at once, tickets gathered. Without receivers alerts are shown in Grafana and Prometheus only.
 * @throws InfraError SETTING_INVALID where a key is no file name
 */
export function alertmanagerConfig(notifications?: Notifications): string {
  const named = (name: 'page' | 'ticket') => {
    const receiver = notifications?.[name];
    if (!receiver) return { name };
    if (!/^[A-Za-z0-9._-]+$/.test(receiver.key)) {
      throw new InfraError(
        'SETTING_INVALID',
        `notifications.${name}.key: '${receiver.key}' is no key of a Secret.`,
      );
    }
    return { name, ...receivers[receiver.kind](`${notificationsDir}/${receiver.key}`) };
  };
  return stringify({
    route: {
      receiver: 'ticket',
      group_by: ['alertname', 'model'],
      group_wait: '30s',
      group_interval: '5m',
      repeat_interval: '12h',
      routes: [{ matchers: ['severity="page"'], receiver: 'page', group_wait: '10s', repeat_interval: '1h' }],
    },
    // What is gone altogether also answers slowly: one message is enough.
    inhibit_rules: [
      {
        source_matchers: ['alertname="ServingGone"'],
        target_matchers: ['alertname!="ServingGone"', 'severity="ticket"'],
      },
    ],
    receivers: [named('page'), named('ticket')],
  });
}

/** Job -> which pods of which namespace, by component label and port name. */
export interface ScrapeTarget {
  readonly job: string;
  readonly namespace: string;
  readonly component: string;
  readonly port: string;
}

/** Prometheus finds pods by the API of Kubernetes, in the listed namespaces only, so a Role is enough. */
export function prometheusConfig(targets: readonly ScrapeTarget[], alertmanager: string): string {
  return stringify({
    global: { scrape_interval: '15s', evaluation_interval: '15s' },
    rule_files: ['/etc/prometheus/rules.yml'],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] },
    scrape_configs: [
      { job_name: 'prometheus', static_configs: [{ targets: ['127.0.0.1:9090'] }] },
      { job_name: 'alertmanager', static_configs: [{ targets: [alertmanager] }] },
      ...targets.map(({ job, namespace, component, port }) => ({
        job_name: job,
        kubernetes_sd_configs: [{ role: 'pod', namespaces: { names: [namespace] } }],
        relabel_configs: [
          {
            source_labels: ['__meta_kubernetes_pod_label_app_kubernetes_io_component'],
            regex: component,
            action: 'keep',
          },
          { source_labels: ['__meta_kubernetes_pod_container_port_name'], regex: port, action: 'keep' },
          { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
          { source_labels: ['__meta_kubernetes_pod_node_name'], target_label: 'node' },
        ],
      })),
    ],
  });
}

/** Grafana reads its data source and its dashboards from files; there is nothing to click and nothing to log in for. */
export const grafanaProvisioning = (prometheusUrl: string, datasourceUid: string) => ({
  'datasources.yaml': stringify({
    apiVersion: 1,
    datasources: [
      {
        name: 'Prometheus',
        uid: datasourceUid,
        type: 'prometheus',
        access: 'proxy',
        url: prometheusUrl,
        isDefault: true,
      },
    ],
  }),
  'dashboards.yaml': stringify({
    apiVersion: 1,
    providers: [{ name: 'modelmile', type: 'file', options: { path: '/etc/grafana/dashboards' } }],
  }),
});
