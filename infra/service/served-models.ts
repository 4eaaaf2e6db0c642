import type { Canary, ServingSettingsInput } from '../../serving/contract/index.ts';

/** How a new version is tried beside the one that serves. */
export interface Tryout extends Partial<Canary> {
  /** The version that goes on serving. */
  readonly stable: number;
  /** Share of the requests that the new version answers, of 100; the rest stays with `stable`. */
  readonly percent: number;
}

/** A model with the version that its source is now. */
export interface CurrentModel {
  readonly name: string;
  readonly version: number;
  readonly canary?: Tryout | undefined;
}

type Served = NonNullable<ServingSettingsInput['models']>[number];

function served({ name, version, canary }: CurrentModel): Served {
  // While the source is still the stable version there is nothing to try.
  if (canary === undefined || canary.stable === version)
    return { name, versionPolicy: { specific: [version] }, versionLabels: { stable: version } };
  const { stable, percent, ...judged } = canary;
  return {
    name,
    versionPolicy: { specific: [stable, version] },
    versionLabels: { stable, canary: version },
    weights: { stable: 100 - percent, canary: percent },
    canary: judged,
  };
}

/** What the server is told of its models; nothing (the latest version of each) where none is tried. */
export const servedModels = (models: readonly CurrentModel[]): Pick<ServingSettingsInput, 'models'> =>
  models.some(({ canary }) => canary) ? { models: models.map(served) } : {};
