import { ServedModel, type ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { ModelStore } from './store.ts';
import { VersionRefused, wholeVersion } from './version.ts';

/** A model with the versions that the settings ask for, on this machine. Not yet verified: whoever loads them does that. */
export interface ChosenModel extends ServedModel {
  readonly versions: readonly ChosenVersion[];
}

export interface ChosenVersion {
  readonly version: number;
  readonly folder: string;
  /** Of the manifest. */
  readonly digest: string;
}

/** The version that is tried in a process of its own; undefined where there is none. */
export const canaryOf = ({ canary, versionLabels }: ChosenModel): number | undefined =>
  canary === undefined ? undefined : versionLabels['canary'];

/** The versions that a policy asks for, plus those that labels point at, ascending. */
function numbersOf(available: readonly number[], { versionPolicy, versionLabels }: ServedModel): number[] {
  const chosen =
    'all' in versionPolicy
      ? available
      : 'specific' in versionPolicy
        ? versionPolicy.specific
        : available.slice(Math.max(0, available.length - versionPolicy.latest));
  return [...new Set([...chosen, ...Object.values(versionLabels)])].sort((a, b) => a - b);
}

/** One that is not all there is not worth the workers to load it, and is looked at again: it may still be written, or signed. */
async function chosenVersion(
  store: ModelStore,
  model: string,
  version: number,
  { trustedKeys }: ServingSettings,
): Promise<ChosenVersion> {
  try {
    const folder = await store.folderOf(model, version);
    return { version, folder, digest: await wholeVersion(folder, model, version, trustedKeys) };
  } catch (error) {
    throw error instanceof ServingError ? new VersionRefused(model, version, error) : error;
  }
}

/** A model of the repository that the settings do not name. @throws ServingError SERVING_LOAD_FAILED where it cannot be asked for */
function servedAs(name: string, { modelRoot }: ServingSettings): ServedModel {
  const { data, error } = ServedModel.safeParse({ name });
  if (data !== undefined) return data;
  const why = error.issues.map(({ message }) => message).join('; ');
  throw new ServingError(
    'SERVING_LOAD_FAILED',
    `${modelRoot} has '${name}', which cannot be a model's name: ${why}`,
  );
}

/**
 * What the settings ask for, as the repository has it now: the models that they name, or all of them.
 * @throws VersionRefused; ServingError SERVING_STORE_UNAVAILABLE, SERVING_LOAD_FAILED where a model has no version or no name
 */
export async function chooseModels(settings: ServingSettings, store: ModelStore): Promise<ChosenModel[]> {
  const served = settings.models ?? (await store.models()).map((name) => servedAs(name, settings));
  const chosen: ChosenModel[] = [];
  for (const model of served) {
    const numbers = numbersOf(await store.versions(model.name), model);
    if (numbers.length === 0) {
      throw new ServingError(
        'SERVING_LOAD_FAILED',
        `${settings.modelRoot} has no version of model ${model.name}`,
      );
    }
    const versions: ChosenVersion[] = [];
    for (const number of numbers) versions.push(await chosenVersion(store, model.name, number, settings));
    chosen.push({ ...model, versions });
  }
  return chosen;
}
