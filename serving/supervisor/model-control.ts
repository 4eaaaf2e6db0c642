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
  readonly #apply: (settings: () => ServingSettings) => Promise<void>;
  readonly #audit: Audit;
  /** What the settings said of models that requests have unloaded: loaded again, they are what they were. */
  readonly #unloaded = new Map<string, ServedModel>();
  /** One change begins with what the one before has left. */
  #changing: Promise<unknown> = Promise.resolve();

  /** @param apply asks for the settings when all changes before are done, the owner's too; resolves when they serve */
  constructor(
    serving: () => Pick<Generation, 'settings' | 'chosen'>,
    apply: (settings: () => ServingSettings) => Promise<void>,
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
  change(action: 'load' | 'unload', name: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#serve((settings) => {
        const others = this.#served().filter((model) => model.name !== name);
        const loaded = this.#known(name) ?? modelNamed(name);
        return { ...settings, models: action === 'load' ? [...others, loaded] : others };
      });
      this.#audit.event(action === 'load' ? 'model-loaded' : 'model-unloaded', { model: name });
    });
  }

  /** Exactly these models, with the shares and canaries that the settings say. @throws ServingError SERVING_FORBIDDEN, as `apply` */
  configure(models: readonly ServedModel[]): Promise<void> {
    return this.#inTurn(() =>
      this.#serve((settings) => {
        const wanted = models.map((model) => {
          const { weights, canary } = this.#known(model.name) ?? model;
          return { ...model, weights, canary };
        });
        return parseSettings({ ...settings, models: wanted });
      }),
    );
  }

  #known(name: string): ServedModel | undefined {
    return this.#served().find((model) => model.name === name) ?? this.#unloaded.get(name);
  }

  async #serve(changed: (settings: ServingSettings) => ServingSettings): Promise<void> {
    let before: readonly ServedModel[] = [];
    let after: readonly ServedModel[] = [];
    await this.#apply(() => {
      const settings = changed(this.#controllable());
      before = this.#served();
      after = settings.models ?? [];
      return settings;
    });
    for (const model of before) this.#unloaded.set(model.name, model);
    for (const { name } of after) this.#unloaded.delete(name);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const change = this.#changing.then(work);
    this.#changing = change.catch(() => {});
    return change;
  }

  /** The owner has said anew what is served. */
  forget(): void {
    this.#unloaded.clear();
  }
}
