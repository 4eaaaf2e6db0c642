import type { ServingSettings } from '../contract/index.ts';
import { type ChosenModel, chooseModels } from '../repository/chosen.ts';
import type { ModelStore } from '../repository/store.ts';
import { openStore } from '../repository/stores.ts';

/** The repository as the settings see it. */
export class Catalogue {
  readonly #store: ModelStore;
  readonly #settings: ServingSettings;

  /** @throws ServingError SERVING_BAD_SETTINGS */
  constructor(settings: ServingSettings) {
    this.#settings = settings;
    this.#store = openStore(settings);
  }

  /** @throws ServingError as chooseModels says */
  choose(): Promise<ChosenModel[]> {
    return chooseModels(this.#settings, this.#store);
  }

  models(): Promise<string[]> {
    return this.#store.models();
  }

  /** Versions that nothing serves any more are forgotten. */
  async prune(serving: readonly ChosenModel[]): Promise<void> {
    await this.#store.prune(serving.flatMap(({ versions }) => versions.map(({ folder }) => folder)));
  }
}

/** Whether a new look at the repository found what there was. */
export function isSame(a: readonly ChosenModel[] | undefined, b: readonly ChosenModel[]): boolean {
  const keyOf = (models: readonly ChosenModel[]) =>
    JSON.stringify(models.map(({ name, versions }) => [name, versions.map((v) => [v.version, v.digest])]));
  return a !== undefined && keyOf(a) === keyOf(b);
}
