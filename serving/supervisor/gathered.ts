import { snapshotWithProcess } from '../monitoring/process-metrics.ts';
import type { Metrics, MetricsSnapshot } from '../monitoring/registry.ts';
import { type ConsolePoint, Totals } from './totals.ts';
import type { WorkerProcess } from './worker-process.ts';

const tickMs = 1_000;

/** What all processes of the service have measured, together: asked for every second, and whenever somebody wants to know. */
export class Gathered {
  readonly #own: Metrics;
  readonly #workers: ReadonlySet<WorkerProcess>;
  readonly #totals = new Totals();
  #ticker: NodeJS.Timeout | undefined;

  /** @param own of this process; `workers`: all that live now, also later */
  constructor(own: Metrics, workers: ReadonlySet<WorkerProcess>) {
    this.#own = own;
    this.#workers = workers;
  }

  start(): void {
    this.#ticker ??= setInterval(() => void this.#tick(), tickMs).unref();
  }

  stop(): void {
    clearInterval(this.#ticker);
  }

  async #tick(): Promise<void> {
    await this.#refresh();
    this.#totals.tick(this.#everyone());
  }

  async #refresh(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.refreshMetrics()));
  }

  #everyone(): MetricsSnapshot[] {
    return [
      snapshotWithProcess(this.#own, 'supervisor'),
      ...[...this.#workers].map((worker) => worker.metrics),
    ];
  }

  /** A worker is gone: what it counted stays. */
  retire(worker: WorkerProcess): void {
    this.#totals.retire(worker);
  }

  /** Throughput and latency of the last minutes. */
  get history(): readonly ConsolePoint[] {
    return this.#totals.history;
  }

  async snapshot(): Promise<MetricsSnapshot> {
    await this.#refresh();
    return this.#totals.of(this.#everyone());
  }

  /** The same in Prometheus's text format. */
  async text(): Promise<string> {
    await this.#refresh();
    return this.#totals.text(this.#everyone());
  }
}
