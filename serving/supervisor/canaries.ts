import type { CanaryRequest, RemovedVersion, Shadow } from '../canary/calls.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../monitoring/registry.ts';
import { type ChosenModel, type ChosenVersion, canaryOf } from '../repository/chosen.ts';
import type { WorkerStart } from './messages.ts';
import { type Remove, Trial } from './trial.ts';
import type { WorkerEvents } from './worker-process.ts';

/** The canaries of one set of settings, each in a process of its own: what one does wrong is no fault of another. */
export class Canaries {
  readonly #trials: ReadonlyMap<string, Trial>;

  constructor(start: WorkerStart, events: WorkerEvents, metrics: Metrics, log: Log, remove: Remove) {
    const out = stillOut(start.removed, start.models).map(({ model }) => model);
    this.#trials = new Map(
      start.models.flatMap((model): [string, Trial][] => {
        const tried = triedOf(model);
        if (tried === undefined || out.includes(model.name)) return [];
        return [[model.name, new Trial(start, model, tried, events, metrics, log, remove)]];
      }),
    );
  }

  /** Resolves when what is to be tried is loaded. @throws LoadRefused */
  async open(): Promise<void> {
    for (const trial of this.#trials.values()) await trial.open();
  }

  /** @throws ServingError of the canary, or SERVING_NOT_READY, SERVING_DEADLINE */
  infer(request: CanaryRequest): Promise<readonly TensorValue[]> {
    return this.#trialOf(request.model).infer(request);
  }

  shadow(shadow: Shadow): Promise<void> {
    return this.#trialOf(shadow.model).shadow(shadow);
  }

  #trialOf(model: string): Trial {
    const trial = this.#trials.get(model);
    if (trial !== undefined) return trial;
    throw new ServingError('SERVING_NOT_READY', `${model} has no canary`);
  }

  /** These were taken out elsewhere. */
  leave(removed: readonly RemovedVersion[]): void {
    for (const { model } of removed) void this.#trials.get(model)?.end();
  }

  async end(): Promise<void> {
    await Promise.all([...this.#trials.values()].map((trial) => trial.end()));
  }
}

/** Of the versions that were taken out those that are to be tried again; another number does not make another version of one. */
export function stillOut(
  removed: readonly RemovedVersion[],
  models: readonly ChosenModel[],
): readonly RemovedVersion[] {
  return models.flatMap((model) => {
    const tried = triedOf(model);
    const out = removed.find((each) => each.model === model.name && each.digest === tried?.digest);
    return tried === undefined || out === undefined ? [] : [{ ...out, version: tried.version }];
  });
}

const triedOf = (model: ChosenModel): ChosenVersion | undefined =>
  model.versions.find(({ version }) => version === canaryOf(model));
