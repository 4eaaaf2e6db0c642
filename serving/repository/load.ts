import { declaredProcessing } from '../../conversion/manifest/index.ts';
import { Traffic } from '../canary/traffic.ts';
import type { ServingSettings } from '../contract/index.ts';
import type { BatchReport } from '../engine/batcher.ts';
import type { Runner } from '../engine/runner.ts';
import { describe, loadServable, type Servable } from '../engine/servable.ts';
import { ServingError } from '../errors.ts';
import type { LoadedModel } from '../models.ts';
import type { Metrics } from '../monitoring/registry.ts';
import { type ChosenModel, type ChosenVersion, canaryOf } from './chosen.ts';
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

/** What loading needs beside the model. */
export interface Loading {
  readonly settings: ServingSettings;
  readonly threads: number;
  readonly metrics: Metrics;
}

/**
 * Loads a version, verified and warm.
 * @throws VersionRefused
 */
export async function loadVersion(
  name: string,
  { version: number, folder }: ChosenVersion,
  { settings, threads, metrics }: Loading,
): Promise<Servable> {
  const servable = await orRefused(name, number, async () => {
    const version = await openVersion(folder, name, number, settings.trustedKeys);
    return loadServable(version, settings, threads, batchMeter(metrics, name, number));
  });
  const labels = { model: name, version: number, provider: settings.executionProvider };
  metrics.level('modelmile_version_workers', labels).set(1);
  return servable;
}

async function orRefused<T>(model: string, version: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ServingError ? new VersionRefused(model, version, error) : error;
  }
}

/**
 * Loads the versions of a model, all but its canary, which runs elsewhere.
 * @throws VersionRefused
 */
export async function loadModel(
  model: ChosenModel,
  loading: Loading,
  runElsewhere: (model: string, stable: Runner, traffic: Traffic) => Runner,
): Promise<LoadedModel> {
  const { name, versionLabels, weights, canary } = model;
  const tried = canaryOf(model);
  const versions = new Map<number, Servable>();
  for (const each of model.versions) {
    if (each.version === tried) continue;
    versions.set(each.version, await loadVersion(name, each, loading));
  }
  const isSplit = Object.keys(weights).length > 0 || canary !== undefined;
  const traffic = isSplit ? new Traffic(model) : undefined;
  const { trustedKeys } = loading.settings;
  for (const { version, folder } of model.versions.filter((each) => each.version === tried)) {
    const servable = await orRefused(name, version, async () => {
      const opened = await openVersion(folder, name, version, trustedKeys);
      const stable = versions.get(versionLabels['stable'] as number) as Servable;
      const runner = runElsewhere(name, stable.runner, traffic as Traffic);
      const remote = { ...opened, ...describe(opened), runner };
      assertAlike(remote, stable);
      // One for both tells that what one prepares is prepared for the other.
      return isPreparedAlike(remote, stable) ? { ...remote, processor: stable.processor } : remote;
    });
    versions.set(version, servable);
  }
  const latest = versions.get(Math.max(...versions.keys()));
  return { name, versions, latest, labels: versionLabels, traffic };
}

/** Who names no version must be able to get either. @throws ServingError SERVING_LOAD_FAILED */
function assertAlike(canary: Servable, stable: Servable): void {
  if (formOf(canary) === formOf(stable)) return;
  const what =
    JSON.stringify(canary.signature) === JSON.stringify(stable.signature)
      ? 'it takes other columns or pictures, or tells other classes and scores'
      : 'its signature is another';
  throw new ServingError(
    'SERVING_LOAD_FAILED',
    `${canary.model} version ${canary.version} cannot be the canary of version ${stable.version}: ${what}`,
  );
}

/** What requests and answers look like. How one becomes the other is each version's own. */
function formOf({ signature, processor }: Servable): string {
  const inputs = signature.inputs.map(({ name }) => [
    processor?.imageOf(name) !== undefined,
    processor?.columnsOf(name) ?? [],
  ]);
  return JSON.stringify([signature, inputs, processor?.outputs ?? signature.outputs]);
}

function isPreparedAlike(canary: Servable, stable: Servable): boolean {
  const [one, other] = [canary, stable].map(({ manifest }) => JSON.stringify(declaredProcessing(manifest)));
  return one === other;
}
