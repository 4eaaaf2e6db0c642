import { metrics as catalogue, type Metric, type MetricName } from '../contract/index.ts';

type Labels = Readonly<Record<string, string | number>>;

/** One row of the catalogue under one set of labels, as a process counted it. */
export interface Sample {
  readonly name: MetricName;
  /** Label values in the row's order. */
  readonly labels: readonly string[];
  /** Counter, gauge: the value. Histogram: how many fell into each bucket, the last beyond all bounds; then their sum. */
  readonly values: readonly number[];
}

/** Everything that one process, or all together, have counted. */
export type MetricsSnapshot = readonly Sample[];

export interface Count {
  add(amount?: number): void;
}

export interface Level {
  set(value: number): void;
}

export interface Distribution {
  observe(seconds: number): void;
}

/** The numbers of one series; adding to them is all that the hot path does. */
class Series implements Count, Level, Distribution {
  readonly name: MetricName;
  readonly labels: readonly string[];
  readonly values: Float64Array;
  readonly #bounds: readonly number[];

  constructor(name: MetricName, labels: readonly string[], bounds: readonly number[] | undefined) {
    this.name = name;
    this.labels = labels;
    this.#bounds = bounds ?? [];
    this.values = new Float64Array(bounds === undefined ? 1 : bounds.length + 2);
  }

  add(amount = 1): void {
    this.values[0]! += amount;
  }

  set(value: number): void {
    this.values[0] = value;
  }

  observe(seconds: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > bounds[bucket]!) bucket++;
    this.values[bucket]! += 1;
    this.values[bounds.length + 1]! += seconds;
  }
}

const rowOf = (name: MetricName): Metric => catalogue[name];

/** One process's metrics: rows of the catalogue and no others. Hold on to a series where it is used often. */
export class Metrics {
  readonly #series = new Map<string, Series>();

  #at(name: MetricName, labels: Labels): Series {
    const row = rowOf(name);
    const values = row.labels.map((label) => String(labels[label] ?? ''));
    const key = `${name}\0${values.join('\0')}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series(name, values, row.buckets);
      this.#series.set(key, series);
    }
    return series;
  }

  count(name: MetricName, labels: Labels): Count {
    return this.#at(name, labels);
  }

  level(name: MetricName, labels: Labels): Level {
    return this.#at(name, labels);
  }

  distribution(name: MetricName, labels: Labels): Distribution {
    return this.#at(name, labels);
  }

  /** Counts from nothing again; what is a level stays. */
  forget(): void {
    for (const { name, values } of this.#series.values()) if (rowOf(name).type !== 'gauge') values.fill(0);
  }

  snapshot(): MetricsSnapshot {
    return [...this.#series.values()].map(({ name, labels, values }) => ({
      name,
      labels,
      values: Array.from(values),
    }));
  }
}

/** Several processes' metrics as one. */
export function sumOf(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const sums = new Map<string, { name: MetricName; labels: readonly string[]; values: number[] }>();
  for (const snapshot of snapshots) {
    for (const { name, labels, values } of snapshot) {
      const key = `${name}\0${labels.join('\0')}`;
      const sum = sums.get(key);
      if (sum === undefined) sums.set(key, { name, labels, values: [...values] });
      else for (const [index, value] of values.entries()) sum.values[index]! += value;
    }
  }
  return [...sums.values()];
}

/** What a process that is gone leaves: all it counted; what it was is no more. */
export const lastingPart = (snapshot: MetricsSnapshot): MetricsSnapshot =>
  snapshot.filter(({ name }) => rowOf(name).type !== 'gauge');

/** The samples of one row, their labels by name. */
export function samplesOf(
  snapshot: MetricsSnapshot,
  name: MetricName,
): { labels: Readonly<Record<string, string>>; values: readonly number[] }[] {
  const row = rowOf(name);
  return snapshot
    .filter((sample) => sample.name === name)
    .map(({ labels, values }) => ({
      labels: Object.fromEntries(row.labels.map((label, index) => [label, labels[index] as string])),
      values,
    }));
}
