import { Counter, Gauge, Histogram, type MetricObjectWithValues, Registry } from 'prom-client';
import { type Metric, type MetricName, metrics } from '../contract/index.ts';

type Labels = Readonly<Record<string, string | number>>;

const constructors = {
  counter: (name: string, row: Metric, registers: Registry[]) =>
    new Counter({ name, help: row.help, labelNames: [...row.labels], registers }),
  gauge: (name: string, row: Metric, registers: Registry[]) =>
    new Gauge({ name, help: row.help, labelNames: [...row.labels], registers }),
  histogram: (name: string, row: Metric, registers: Registry[]) =>
    new Histogram({
      name,
      help: row.help,
      labelNames: [...row.labels],
      buckets: [...(row.buckets ?? [])],
      registers,
    }),
} as const;

/** One process's metrics, one for each row of the catalogue and no others. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #byName: ReadonlyMap<string, Counter | Gauge | Histogram>;

  constructor() {
    const rows = Object.entries(metrics) as [MetricName, Metric][];
    this.#byName = new Map(
      rows.map(([name, row]) => [name, constructors[row.type](name, row, [this.#registry])]),
    );
  }

  add(name: MetricName, labels: Labels, amount = 1): void {
    (this.#byName.get(name) as Counter).inc(labels, amount);
  }

  observe(name: MetricName, labels: Labels, seconds: number): void {
    (this.#byName.get(name) as Histogram).observe(labels, seconds);
  }

  /** For another process to aggregate. */
  snapshot(): Promise<MetricObjectWithValues<never>[]> {
    return this.#registry.getMetricsAsJSON() as Promise<MetricObjectWithValues<never>[]>;
  }
}
