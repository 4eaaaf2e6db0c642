import { ServedModel, type ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Audit } from '../security/audit.ts';
import type { Generation } from './generation.ts';
import { parseSettings } from './parse-settings.ts';

/** @throws ServingError SERVING_MODEL_NOT_FOUND where no model can have the name */
function modelNamed(name: string): ServedModel {
  const parsed = ServedModel.safeParse({ name });
  if (parsed.success) return parsed.data;
  throw new ServingError('SERVING_MODEL_NOT_FOUND', `No model can be called '${name.slice(0, 200)}'`);
}

/** What requests may change of what is served, where the settings allow it. */
export class ModelControl {
  readonly #serving: () => Pick<Generation, 'settings' | 'chosen'>;
  readonly #apply: (settings: ServingSettings) => Promise<void>;
  readonly #audit: Audit;

  /** @param apply resolves when the settings serve */
  constructor(
    serving: () => Pick<Generation, 'settings' | 'chosen'>,
    apply: (settings: ServingSettings) => Promise<void>,
    audit: Audit,
  ) {
    this.#serving = serving;
    this.#apply = apply;
    this.#audit = audit;
  }

  /** @throws ServingError SERVING_FORBIDDEN */
  #controllable(): ServingSettings {
    const { settings } = this.#serving();
    if (settings.modelControl) return settings;
    throw new ServingError(
      'SERVING_FORBIDDEN',
      'Models are loaded and unloaded by the settings: modelControl is off',
    );
  }

  #served(): readonly ServedModel[] {
    const { settings, chosen } = this.#serving();
    return settings.models ?? chosen.map(({ name }) => ServedModel.parse({ name }));
  }

  /** One model more or less than now, all else as it is. @throws ServingError SERVING_FORBIDDEN, SERVING_MODEL_NOT_FOUND, as `apply` */
  async change(action: 'load' | 'unload', name: string): Promise<void> {
    const settings = this.#controllable();
    const served = this.#served();
    const others = served.filter((model) => model.name !== name);
    const loaded = served.find((model) => model.name === name) ?? modelNamed(name);
    await this.#apply({ ...settings, models: action === 'load' ? [...others, loaded] : others });
    this.#audit.event(action === 'load' ? 'model-loaded' : 'model-unloaded', { model: name });
  }

  /** Exactly these models, with the shares and canaries that the settings say. @throws ServingError SERVING_FORBIDDEN, as `apply` */
  async configure(models: readonly ServedModel[]): Promise<void> {
    const settings = this.#controllable();
    const served = this.#served();
    const wanted = models.map((model) => {
      const { weights, canary } = served.find(({ name }) => name === model.name) ?? model;
      return { ...model, weights, canary };
    });
    await this.#apply(parseSettings({ ...settings, models: wanted }));
  }
}
