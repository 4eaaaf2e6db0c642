import { metrics as catalogue } from '../contract/index.ts';
import { lastingPart, type MetricsSnapshot, samplesOf, sumOf } from '../monitoring/registry.ts';
import type { WorkerProcess } from './worker-process.ts';

const bounds = [...catalogue.modelmile_request_duration_seconds.buckets, Number.POSITIVE_INFINITY];

/** Second-by-second history kept for the console. */
const historySeconds = 300;

export interface ConsolePoint {
  readonly atMs: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

/** How many requests to models took how long, by bucket. */
function durationsOf(snapshot: MetricsSnapshot): number[] {
  const counts = bounds.map(() => 0);
  for (const { labels, values } of samplesOf(snapshot, 'modelmile_request_duration_seconds')) {
    if (labels['model'] === '') continue;
    for (const bucket of bounds.keys()) counts[bucket]! += values[bucket] as number;
  }
  return counts;
}

/** Linear within the bucket, as Prometheus's histogram_quantile. */
function quantileMs(counts: readonly number[], q: number): number {
  const wanted = q * counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    const lower = bounds[bucket - 1] ?? 0;
    const upper = bounds[bucket] as number;
    if (count > 0 && below + count >= wanted) {
      return 1000 * (Number.isFinite(upper) ? lower + ((upper - lower) * (wanted - below)) / count : lower);
    }
    below += count;
  }
  return 0;
}

/** The metrics of all workers together, those of workers that are gone included, so that no counter ever falls. */
export class Totals {
  #retired: MetricsSnapshot = [];
  #history: ConsolePoint[] = [];
  #lastDurations = bounds.map(() => 0);
  #lastErrors = 0;
  #lastAtMs = Date.now();

  /** A worker is gone: what it counted stays. */
  retire(worker: WorkerProcess): void {
    this.#retired = sumOf([this.#retired, lastingPart(worker.metrics)]);
  }

  /** What these processes and those that are gone have counted. */
  of(living: readonly MetricsSnapshot[]): MetricsSnapshot {
    return sumOf([this.#retired, ...living]);
  }

  /** The same in Prometheus's text format. */
  async text(living: readonly MetricsSnapshot[]): Promise<string> {
    // Prometheus's library with all that it loads is not for who waits for the server to start.
    const { exposition } = await import('../monitoring/exposition.ts');
    return exposition(this.of(living));
  }

  /** Called once a second with the newest metrics. */
  tick(living: readonly MetricsSnapshot[]): void {
    const now = this.of(living);
    const durations = durationsOf(now);
    const delta = durations.map((count, bucket) => count - (this.#lastDurations[bucket] as number));
    const errors = samplesOf(now, 'modelmile_requests_total')
      .filter(({ labels }) => Number(labels['code']) >= 500)
      .reduce((sum, { values }) => sum + (values[0] as number), 0);
    const atMs = Date.now();
    const seconds = Math.max((atMs - this.#lastAtMs) / 1000, 0.001);
    this.#history.push({
      atMs,
      requestsPerSecond: delta.reduce((sum, count) => sum + count, 0) / seconds,
      p50Ms: quantileMs(delta, 0.5),
      p99Ms: quantileMs(delta, 0.99),
      errors: errors - this.#lastErrors,
    });
    this.#history = this.#history.slice(-historySeconds);
    this.#lastDurations = durations;
    this.#lastErrors = errors;
    this.#lastAtMs = atMs;
  }

  get history(): readonly ConsolePoint[] {
    return this.#history;
  }
}
