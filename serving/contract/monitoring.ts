/** The source's three kinds of monitoring: response time and throughput, errors and failures, access control. */
export type MonitoringKind = 'performance' | 'anomaly' | 'security';

/** A condition that someone is told about, with the runbook that the alert links to (`docs/runbooks/<name>.md`). */
export interface Alert {
  /** CamelCase, unique over all rows. */
  readonly name: string;
  readonly kind: MonitoringKind;
  /** PromQL: there is a result while something is wrong. Its labels end up on the alert. */
  readonly expr: string;
  /** How long it must hold, as Prometheus writes durations. */
  readonly for: string;
  /** `page` wakes someone; `ticket` waits for working hours. */
  readonly severity: 'page' | 'ticket';
  /** One line; Prometheus templates such as `{{ $labels.model }}` are filled in. */
  readonly summary: string;
  readonly runbook: {
    /** What callers notice. */
    readonly meaning: string;
    /** How to look, in order. */
    readonly look: readonly string[];
    /** How to mend it, the quickest first. */
    readonly mend: readonly string[];
  };
}

/** One graph of the dashboard; the row it stands in is its kind. */
export interface Panel {
  readonly title: string;
  readonly kind: MonitoringKind;
  /** Grafana unit. */
  readonly unit: 's' | 'reqps' | 'percentunit' | 'bytes' | 'short';
  /** Legend -> PromQL. The legend may use labels, as in `{{model}}`. */
  readonly queries: Readonly<Record<string, string>>;
}

/** One row of the catalogue: what the service emits, and what monitoring draws and alerts on from it. */
export interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Bounded label names: never a request's own text. */
  readonly labels: readonly string[];
  readonly help: string;
  /** Seconds, histograms only. */
  readonly buckets?: readonly number[];
  readonly panel?: Panel;
  readonly alerts?: readonly Alert[];
}
