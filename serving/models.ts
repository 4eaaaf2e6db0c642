import type { Traffic } from './canary/traffic.ts';
import type { Servable } from './engine/servable.ts';
import { ServingError } from './errors.ts';
import type { VersionStatus } from './server-control.ts';

/** Which version of a model a request means: a number, a label, or neither for the latest. */
export interface Target {
  readonly model: string;
  readonly version?: number | undefined;
  readonly label?: string | undefined;
}

/** A loaded model: its versions, ascending, and the labels on them. */
export interface LoadedModel {
  readonly name: string;
  readonly versions: ReadonlyMap<number, Servable>;
  /** The highest of them. */
  readonly latest: Servable | undefined;
  readonly labels: Readonly<Record<string, number>>;
  /** Where requests that name no version go; undefined where that is always the latest. */
  readonly traffic: Traffic | undefined;
}

/** A version that a request means. */
export interface Found {
  readonly servable: Servable;
  /** Answers where the version is a canary that nobody asked for and that does not. */
  readonly fallback?: Servable | undefined;
}

/**
 * @param labelOf says which label a request gets that names neither label nor version
 * @throws ServingError SERVING_VERSION_NOT_FOUND, SERVING_BAD_LABEL, SERVING_NOT_READY
 */
export function findVersion(
  model: LoadedModel,
  { model: name, version, label }: Target,
  labelOf: (traffic: Traffic) => string | undefined,
): Found {
  if (label !== undefined) {
    const labelled = model.versions.get(model.labels[label] ?? -1);
    if (labelled !== undefined) return stillIn(model, labelled);
    throw new ServingError('SERVING_BAD_LABEL', `Unrecognized servable version label: ${label}`);
  }
  if (version !== undefined) {
    const exact = model.versions.get(version);
    if (exact !== undefined) return stillIn(model, exact);
    throw new ServingError(
      'SERVING_VERSION_NOT_FOUND',
      `Servable not found for request: Specific(${name}, ${version})`,
    );
  }
  const picked = model.traffic && labelOf(model.traffic);
  if (picked !== undefined) {
    const servable = model.versions.get(model.labels[picked] as number) as Servable;
    const isCanary = picked === 'canary';
    return { servable, fallback: isCanary ? model.versions.get(model.labels['stable'] ?? -1) : undefined };
  }
  if (model.latest !== undefined) return { servable: model.latest };
  throw new ServingError('SERVING_NOT_READY', `Model ${name} has no version that is loaded`);
}

/** @throws ServingError SERVING_VERSION_NOT_FOUND where it was taken out */
function stillIn(model: LoadedModel, servable: Servable): Found {
  const reason = model.traffic?.removed.get(servable.version);
  if (reason === undefined) return { servable };
  throw new ServingError('SERVING_VERSION_NOT_FOUND', reason);
}

/** Every version of a model, the highest first. @param failures why versions did not load */
export function statusOf(model: LoadedModel, failures: ReadonlyMap<number, string>): VersionStatus[] {
  const available = [...model.versions.keys()].map((version): VersionStatus => {
    const removed = model.traffic?.removed.get(version);
    return { version, state: removed === undefined ? 'AVAILABLE' : 'END', message: removed ?? '' };
  });
  const failed = [...failures].map(
    ([version, message]): VersionStatus => ({ version, state: 'END', message }),
  );
  return [...available, ...failed].sort((a, b) => b.version - a.version);
}
