import { AggregatorRegistry } from 'prom-client';
import type { MetricsSnapshot, WorkerProcess } from './worker-process.ts';

/** Second-by-second history kept for the console. */
const historySeconds = 300;

export interface ConsolePoint {
  readonly atMs: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

const samplesOf = (snapshot: MetricsSnapshot, name: string): readonly Sample[] =>
  (
    snapshot.find((metric) => (metric as unknown as { name: string }).name === name) as unknown as
      | { values: Sample[] }
      | undefined
  )?.values ?? [];

/** Cumulative counts of the requests' duration by bucket, model traffic only. */
function bucketsOf(snapshot: MetricsSnapshot): Map<number, number> {
  const buckets = new Map<number, number>();
  for (const { metricName, labels, value } of samplesOf(snapshot, 'modelmile_request_duration_seconds')) {
    if (metricName?.endsWith('_bucket') !== true || labels['model'] === '') continue;
    const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return buckets;
}

/** Linear within the bucket, as Prometheus's histogram_quantile. */
function quantileMs(buckets: ReadonlyMap<number, number>, q: number): number {
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const total = buckets.get(Number.POSITIVE_INFINITY) ?? 0;
  let lower = 0;
  let below = 0;
  for (const bound of bounds) {
    const count = buckets.get(bound) as number;
    if (count >= q * total && total > 0) {
      if (!Number.isFinite(bound)) return lower * 1000;
      return 1000 * (lower + ((bound - lower) * (q * total - below)) / Math.max(count - below, 1));
    }
    lower = bound;
    below = count;
  }
  return 0;
}

/** The metrics of all workers together, those of workers that are gone included, so that no counter ever falls. */
export class Totals {
  #retired: MetricsSnapshot = [];
  #history: ConsolePoint[] = [];
  #lastBuckets = new Map<number, number>();
  #lastErrors = 0;
  #lastAtMs = Date.now();

  /** A worker is gone: what it counted stays. */
  async retire(worker: WorkerProcess): Promise<void> {
    if (worker.metrics.length > 0) this.#retired = await merge([this.#retired, worker.metrics]);
  }

  /** Prometheus's text format. */
  async text(workers: readonly WorkerProcess[]): Promise<string> {
    const all = [this.#retired, ...workers.map((worker) => worker.metrics)].filter(
      (snapshot) => snapshot.length > 0,
    );
    return AggregatorRegistry.aggregate(all as never).metrics();
  }

  /** The same as numbers. */
  snapshot(workers: readonly WorkerProcess[]): Promise<MetricsSnapshot> {
    return merge([this.#retired, ...workers.map((worker) => worker.metrics)]);
  }

  /** Called once a second with the newest totals. */
  async tick(workers: readonly WorkerProcess[]): Promise<void> {
    const now = await merge([this.#retired, ...workers.map((worker) => worker.metrics)]);
    const buckets = bucketsOf(now);
    const delta = new Map(
      [...buckets].map(([bound, count]) => [bound, count - (this.#lastBuckets.get(bound) ?? 0)]),
    );
    const errors = samplesOf(now, 'modelmile_requests_total')
      .filter(({ labels }) => Number(labels['code']) >= 500)
      .reduce((sum, { value }) => sum + value, 0);
    const atMs = Date.now();
    const seconds = Math.max((atMs - this.#lastAtMs) / 1000, 0.001);
    this.#history.push({
      atMs,
      requestsPerSecond: (delta.get(Number.POSITIVE_INFINITY) ?? 0) / seconds,
      p50Ms: quantileMs(delta, 0.5),
      p99Ms: quantileMs(delta, 0.99),
      errors: errors - this.#lastErrors,
    });
    this.#history = this.#history.slice(-historySeconds);
    this.#lastBuckets = buckets;
    this.#lastErrors = errors;
    this.#lastAtMs = atMs;
  }

  get history(): readonly ConsolePoint[] {
    return this.#history;
  }
}

async function merge(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const some = snapshots.filter((snapshot) => snapshot.length > 0);
  if (some.length === 0) return [];
  return AggregatorRegistry.aggregate(
    some as never,
  ).getMetricsAsJSON() as unknown as Promise<MetricsSnapshot>;
}
