import { ServedModel, type ServingSettings } from '../contract/index.ts';
import type { LoadedModel } from '../dataplane.ts';
import type { BatchReport } from '../engine/batcher.ts';
import { loadServable, type Servable } from '../engine/servable.ts';
import { ServingError } from '../errors.ts';
import type { Metrics } from '../monitoring/registry.ts';
import { chooseVersions, listModels, listVersions, openVersion } from './local.ts';

/** The models that the settings ask for: those they name, or all of the repository. */
export async function modelsToServe(settings: ServingSettings): Promise<ServedModel[]> {
  if (settings.models !== undefined) return settings.models;
  const names = await listModels(settings.modelRoot);
  return names.map((name) => ServedModel.parse({ name }));
}

/** A version did not load. */
export class VersionRefused extends ServingError {
  readonly model: string;
  readonly version: number;

  constructor(model: string, version: number, cause: ServingError) {
    super(cause.code, cause.message);
    this.model = model;
    this.version = version;
  }
}

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
 * Loads the versions of a model that the settings ask for, verified and warm.
 * @throws VersionRefused, ServingError SERVING_LOAD_FAILED where there is no version
 */
export async function loadModel(
  model: ServedModel,
  settings: ServingSettings,
  threads: number,
  metrics: Metrics,
): Promise<LoadedModel> {
  const { name } = model;
  const chosen = chooseVersions(await listVersions(settings.modelRoot, name), model);
  if (chosen.length === 0) {
    throw new ServingError('SERVING_LOAD_FAILED', `${settings.modelRoot} has no version of model ${name}`);
  }
  const versions = new Map<number, Servable>();
  for (const number of chosen) {
    try {
      const version = await openVersion(settings.modelRoot, name, number, settings.trustedKeys);
      versions.set(number, await loadServable(version, settings, threads, batchMeter(metrics, name, number)));
    } catch (error) {
      throw error instanceof ServingError ? new VersionRefused(name, number, error) : error;
    }
    const labels = { model: name, version: number, provider: settings.executionProvider };
    metrics.level('modelmile_version_workers', labels).set(1);
  }
  return { name, versions, latest: [...versions.values()].at(-1), labels: model.versionLabels };
}
