import { type Alert, type Metric, type MonitoringKind, metrics } from '../../serving/contract/index.ts';
import { platformAlerts } from './platform-alerts.ts';
import { type Objectives, type RecordingRule, sloAlerts, sloRecordings } from './slo.ts';

/** A rule that alerts, as Prometheus reads it. */
export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A rule file of Prometheus, and `spec` of a PrometheusRule. */
export interface RuleFile {
  readonly groups: readonly {
    readonly name: string;
    readonly interval?: string | undefined;
    readonly rules: readonly (RecordingRule | AlertingRule)[];
  }[];
}

const kinds: readonly MonitoringKind[] = ['performance', 'anomaly', 'security'];

/** Every alert: the catalogue's rows, the promises, the platform. */
export function allAlerts(objectives: Objectives): readonly Alert[] {
  const catalogue = Object.values(metrics as Readonly<Record<string, Metric>>).flatMap(
    (metric) => metric.alerts ?? [],
  );
  return [...catalogue, ...sloAlerts(objectives), ...platformAlerts];
}

/** Where the runbooks are published: annotations link there. */
export const defaultRunbookUrl = 'docs/runbooks';

function alertingRule(alert: Alert, runbookUrl: string): AlertingRule {
  return {
    alert: alert.name,
    expr: alert.expr,
    for: alert.for,
    labels: { severity: alert.severity, kind: alert.kind },
    annotations: { summary: alert.summary, runbook_url: `${runbookUrl}/${alert.name}.md` },
  };
}

/** The rules of a stack: recordings first, then a group a kind of monitoring. */
export function ruleFile(objectives: Objectives, runbookUrl: string = defaultRunbookUrl): RuleFile {
  const alerts = allAlerts(objectives);
  return {
    groups: [
      { name: 'modelmile-recordings', interval: '30s', rules: sloRecordings(objectives) },
      ...kinds.map((kind) => ({
        name: `modelmile-${kind}`,
        rules: alerts.filter((alert) => alert.kind === kind).map((alert) => alertingRule(alert, runbookUrl)),
      })),
    ],
  };
}
