import type { CanaryRequest, RemovedVersion, Shadow } from '../canary/calls.ts';
import {
  type CanaryOutcome,
  Judge,
  type RemovalReason,
  removalReasons,
  type Verdict,
} from '../canary/judge.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError, type ServingErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Count, Metrics } from '../monitoring/registry.ts';
import { type ChosenModel, type ChosenVersion, canaryOf } from '../repository/chosen.ts';
import type { WorkerStart } from './messages.ts';
import { type WorkerEvents, WorkerProcess } from './worker-process.ts';

/** A comparison that takes longer is given up, and the canary is late. */
const shadowPatienceMs = 10_000;
/** Requests and comparisons that one canary has at a time; beyond, it is asked no more. */
const maxInFlight = 64;
const restartAfterMs = 200;
/** It has no connections to finish. */
const endTimeoutMs = 2_000;

/** Takes a version out, for everybody. */
export type Remove = (removed: RemovedVersion, reason: RemovalReason) => void;

interface Trial {
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly judge: Judge;
  inFlight: number;
  isOut: boolean;
}

/** The process in which the canaries of one set of settings run, and the judgement on each. */
export class Canaries {
  readonly #start: WorkerStart;
  readonly #events: WorkerEvents;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #remove: Remove;
  readonly #trials: ReadonlyMap<string, Trial>;
  #worker: WorkerProcess | undefined;
  #isOpen = false;
  #ended = false;

  constructor(start: WorkerStart, events: WorkerEvents, metrics: Metrics, log: Log, remove: Remove) {
    this.#start = start;
    this.#events = { ...events, exited: (worker) => this.#exited(worker, events) };
    this.#metrics = metrics;
    this.#log = log;
    this.#remove = remove;
    const trials = start.models.map((model) => trialOf(model, start.removed));
    this.#trials = new Map(
      trials.filter((trial) => trial !== undefined).map((trial) => [trial.model, trial]),
    );
    // There from the start: an alert on what is new sees no difference to nothing.
    for (const trial of this.#trials.values()) {
      for (const reason of removalReasons) this.#removals(trial, reason);
    }
  }

  #removals({ model, version }: Trial, reason: RemovalReason): Count {
    return this.#metrics.count('modelmile_canary_removed_total', { model, version, reason });
  }

  /** Resolves when what is to be tried is loaded. @throws LoadRefused */
  async open(): Promise<void> {
    if (this.#trials.size > 0) await this.#launch().ready;
    this.#isOpen = true;
  }

  #launch(): WorkerProcess {
    // A model that was taken out is not loaded again.
    const models = this.#start.models.filter(({ name }) => this.#trials.get(name)?.isOut === false);
    const worker = new WorkerProcess({ ...this.#start, models }, this.#events, 'canary');
    this.#worker = worker;
    this.#events.started(worker);
    return worker;
  }

  /** @throws ServingError of the canary, or SERVING_NOT_READY, SERVING_DEADLINE */
  async infer(request: CanaryRequest): Promise<readonly TensorValue[]> {
    const trial = this.#trialOf(request.model);
    return this.#judged(
      trial,
      request.patienceMs,
      (worker) => worker.canary(request),
      () => ({ kind: 'answered' }),
      // What fails here is compared with what stable does with it.
      (code) => (code === 'SERVING_DEADLINE' && request.isPatient ? { kind: 'late' } : undefined),
    );
  }

  async shadow(shadow: Shadow): Promise<void> {
    const trial = this.#trialOf(shadow.model);
    await this.#judged(
      trial,
      shadowPatienceMs,
      (worker) => worker.compare(shadow),
      ({ isSame, canaryMs }) => ({
        kind: isSame ? 'same' : 'different',
        canaryMs,
        stableMs: shadow.stableMs,
      }),
      faultOf,
    );
  }

  #trialOf(model: string): Trial {
    const trial = this.#trials.get(model);
    if (trial !== undefined && !trial.isOut && trial.inFlight < maxInFlight) return trial;
    throw new ServingError('SERVING_NOT_READY', `The canary of ${model} takes no requests now`);
  }

  async #judged<T>(
    trial: Trial,
    patienceMs: number,
    ask: (worker: WorkerProcess) => Promise<T>,
    outcomeOf: (answer: T) => CanaryOutcome,
    faultOf: (code: ServingErrorCode) => CanaryOutcome | undefined,
  ): Promise<T> {
    const worker = this.#worker;
    if (worker?.isReady !== true) throw new ServingError('SERVING_NOT_READY', 'The canary is not running');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new ServingError('SERVING_DEADLINE', `The canary did not answer in ${patienceMs} ms`);
      timer = setTimeout(() => reject(error), patienceMs);
    });
    trial.inFlight += 1;
    try {
      const answer = await Promise.race([ask(worker), late]);
      this.#note(trial, outcomeOf(answer));
      return answer;
    } catch (error) {
      const fault = faultOf((error as ServingError).code);
      if (fault !== undefined) this.#note(trial, fault);
      throw error;
    } finally {
      clearTimeout(timer);
      trial.inFlight -= 1;
    }
  }

  #note(trial: Trial, outcome: CanaryOutcome): void {
    const { model, version } = trial;
    const labels = { model, version, result: outcome.kind };
    this.#metrics.count('modelmile_canary_answers_total', labels).add();
    const verdict = trial.judge.add(outcome);
    if (verdict !== undefined) this.#takeOut(trial, verdict);
  }

  #takeOut(trial: Trial, { reason, message }: Verdict): void {
    if (trial.isOut) return;
    trial.isOut = true;
    const { model, version, digest } = trial;
    this.#removals(trial, reason).add();
    const text = `Version ${version} of ${model} was taken out, it is ${reason}: ${message}`;
    this.#remove({ model, version, digest, message: text }, reason);
    if ([...this.#trials.values()].every(({ isOut }) => isOut)) void this.end();
  }

  #exited(worker: WorkerProcess, events: WorkerEvents): void {
    events.exited(worker);
    if (this.#ended || !this.#isOpen) return;
    const running = [...this.#trials.values()].filter(
      ({ inFlight, isOut }) => !isOut && (inFlight > 0 || !worker.wasReady),
    );
    this.#log.error({ running: running.map(({ model }) => model) }, 'the process of the canaries ended');
    for (const trial of running) {
      const labels = { model: trial.model, version: trial.version, result: 'crashed' };
      this.#metrics.count('modelmile_canary_answers_total', labels).add();
      const verdict = trial.judge.crashed();
      if (verdict !== undefined) this.#takeOut(trial, verdict);
    }
    setTimeout(() => {
      if (!this.#ended) this.#launch();
    }, restartAfterMs);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#worker?.drain(endTimeoutMs, 0);
  }
}

/** What a comparison that failed says of the canary. That its process is gone is noted where it ends. */
function faultOf(code: ServingErrorCode): CanaryOutcome | undefined {
  if (code === 'SERVING_NOT_READY' || code === 'SERVING_OVERLOADED') return undefined;
  return { kind: code === 'SERVING_DEADLINE' ? 'late' : 'failing' };
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

function trialOf(model: ChosenModel, removed: readonly RemovedVersion[]): Trial | undefined {
  const tried = triedOf(model);
  if (tried === undefined || model.canary === undefined) return undefined;
  const { version, digest } = tried;
  const isOut = removed.some((each) => each.model === model.name && each.digest === digest);
  return isOut
    ? undefined
    : { model: model.name, version, digest, judge: new Judge(model.canary), inFlight: 0, isOut };
}
