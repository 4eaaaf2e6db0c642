import type { ServingSettings } from '../contract/index.ts';
import type { LoadedModel } from '../dataplane.ts';
import type { BatchReport } from '../engine/batcher.ts';
import { loadServable, type Servable } from '../engine/servable.ts';
import { ServingError } from '../errors.ts';
import type { Metrics } from '../monitoring/registry.ts';
import type { ChosenModel } from './chosen.ts';
import { openVersion, VersionRefused } from './version.ts';

function batchMeter(metrics: Metrics, model: string, version: number): (report: BatchReport) => void {
  const labels = { model, version };
  const phase = (name: string) =>
    metrics.distribution('modelmile_phase_duration_seconds', { ...labels, phase: name });
  const [queue, batch, infer] = [phase('queue'), phase('batch'), phase('infer')];
  const batches = metrics.count('modelmile_batches_total', labels);
  const batchRows = metrics.count('modelmile_batch_rows_total', labels);
  return ({ rows, queueSeconds, batchSeconds, inferSeconds }) => {
    batches.add();
    batchRows.add(rows);
    queue.observe(queueSeconds);
    batch.observe(batchSeconds);
    infer.observe(inferSeconds);
  };
}

/**
 * Loads the versions of a model, verified and warm.
 * @throws VersionRefused
 */
export async function loadModel(
  model: ChosenModel,
  settings: ServingSettings,
  threads: number,
  metrics: Metrics,
): Promise<LoadedModel> {
  const { name } = model;
  const versions = new Map<number, Servable>();
  for (const { version: number, folder } of model.versions) {
    try {
      const version = await openVersion(folder, name, number, settings.trustedKeys);
      versions.set(number, await loadServable(version, settings, threads, batchMeter(metrics, name, number)));
    } catch (error) {
      throw error instanceof ServingError ? new VersionRefused(name, number, error) : error;
    }
    const labels = { model: name, version: number, provider: settings.executionProvider };
    metrics.level('modelmile_version_workers', labels).set(1);
  }
  return { name, versions, latest: [...versions.values()].at(-1), labels: model.versionLabels };
}
