import type { Metrics, MetricsSnapshot } from './registry.ts';

/** The metrics of this process, with what it uses right now. */
export function snapshotWithProcess(metrics: Metrics, process_: 'supervisor' | 'worker'): MetricsSnapshot {
  const { user, system } = process.cpuUsage();
  const labels = { process: process_ };
  metrics.level('modelmile_process_cpu_seconds_total', labels).set((user + system) / 1e6);
  metrics.level('modelmile_process_resident_bytes', labels).set(process.memoryUsage.rss());
  return metrics.snapshot();
}
