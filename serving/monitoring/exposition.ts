import { Registry } from 'prom-client';
import { metrics as catalogue, type Metric, type MetricName } from '../contract/index.ts';
import { type MetricsSnapshot, samplesOf } from './registry.ts';

interface Line {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus wants each bucket to hold all below it. */
function histogramLines(
  name: string,
  bounds: readonly number[],
  labels: Line['labels'],
  values: readonly number[],
): Line[] {
  let below = 0;
  const buckets = [...bounds.map(String), '+Inf'].map((le, index): Line => {
    below += values[index] as number;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: values[bounds.length + 1] as number },
    { metricName: `${name}_count`, labels, value: below },
  ];
}

/** Prometheus's text format. */
export function exposition(snapshot: MetricsSnapshot): Promise<string> {
  const registry = new Registry();
  for (const [name, row] of Object.entries(catalogue) as [MetricName, Metric][]) {
    const values = samplesOf(snapshot, name).flatMap(({ labels, values }) =>
      row.buckets === undefined
        ? [{ labels, value: values[0] as number }]
        : histogramLines(name, row.buckets, labels, values),
    );
    const metric = { name, help: row.help, type: row.type, aggregator: 'sum', values };
    registry.registerMetric({ ...metric, get: async () => metric } as never);
  }
  return registry.metrics();
}
