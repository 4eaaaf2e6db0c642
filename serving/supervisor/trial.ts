import type { CanaryRequest, RemovedVersion, Shadow } from '../canary/calls.ts';
import {
  type CanaryOutcome,
  Judge,
  type RemovalReason,
  removalReasons,
  type Verdict,
  wellAfterMs,
} from '../canary/judge.ts';
import type { Canary } from '../contract/index.ts';
import { byteLengthOf, type TensorValue } from '../engine/tensor.ts';
import { ServingError, type ServingErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Count, Metrics } from '../monitoring/registry.ts';
import type { ChosenModel, ChosenVersion } from '../repository/chosen.ts';
import type { WorkerStart } from './messages.ts';
import { lateAfter } from './patience.ts';
import { type WorkerEvents, WorkerProcess } from './worker-process.ts';

/** A comparison that takes longer than this, and so many times as long as `stable`, is given up, and the canary is late. */
const leastShadowPatienceMs = 10_000;
const shadowPatienceOfStable = 10;
/** Requests and comparisons that a canary has at a time, and their bytes; beyond, it is asked no more. */
const maxInFlight = 64;
const maxBytesInFlight = 64 * 1024 * 1024;
/** A process that is not ready after so long hangs. Models of many gigabytes take minutes. */
const startPatienceMs = 600_000;
/** A process that ended is started again after so long, and after twice as long each further time, up to the most. */
const leastRestartMs = 200;
const mostRestartMs = 2_000;
/** It has no connections to finish. */
const endTimeoutMs = 2_000;

/** Takes a version out, for everybody. */
export type Remove = (removed: RemovedVersion, reason: RemovalReason) => void;

/** What a canary is asked, and what its answer, or that there is none, says of it. */
interface Question<T> {
  readonly tensors: readonly TensorValue[];
  readonly patienceMs: number;
  ask(worker: WorkerProcess): Promise<T>;
  outcomeOf(answer: T): CanaryOutcome;
  faultOf(code: ServingErrorCode): CanaryOutcome | undefined;
}

/** One canary: the process in which it runs, and the judgement on it. */
export class Trial {
  readonly #start: WorkerStart;
  readonly #model: string;
  readonly #tried: ChosenVersion;
  readonly #judge: Judge;
  readonly #events: WorkerEvents;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #remove: Remove;
  #worker: WorkerProcess | undefined;
  #startedMs = 0;
  #restartMs = leastRestartMs;
  /** Asked and not answered, whether anybody waits or not: what a process that hangs was sent stays where it is. */
  #inFlight = 0;
  #bytesInFlight = 0;
  /** Of these, that it is late with. */
  #overdue = 0;
  #isOpen = false;
  #ended = false;

  constructor(
    start: WorkerStart,
    model: ChosenModel,
    tried: ChosenVersion,
    events: WorkerEvents,
    metrics: Metrics,
    log: Log,
    remove: Remove,
  ) {
    this.#start = { ...start, models: [model] };
    this.#model = model.name;
    this.#tried = tried;
    this.#judge = new Judge(model.canary as Canary);
    this.#events = { ...events, exited: (worker) => this.#exited(worker, events) };
    this.#metrics = metrics;
    this.#log = log;
    this.#remove = remove;
    // There from the start: an alert on what is new sees no difference to nothing.
    for (const reason of removalReasons) this.#removals(reason);
  }

  #removals(reason: RemovalReason): Count {
    const labels = { model: this.#model, version: this.#tried.version, reason };
    return this.#metrics.count('modelmile_canary_removed_total', labels);
  }

  #answers(result: string): Count {
    const labels = { model: this.#model, version: this.#tried.version, result };
    return this.#metrics.count('modelmile_canary_answers_total', labels);
  }

  /** Resolves when it is loaded. @throws LoadRefused */
  async open(): Promise<void> {
    await this.#launch().ready;
    this.#isOpen = true;
  }

  #launch(): WorkerProcess {
    const worker = new WorkerProcess(this.#start, this.#events, 'canary');
    this.#worker = worker;
    this.#startedMs = performance.now();
    this.#events.started(worker);
    const stop = lateAfter(startPatienceMs, () => {
      this.#log.error({ model: this.#model, startPatienceMs }, 'the process of a canary hangs at its start');
      worker.kill();
    });
    worker.ready.then(stop, stop);
    return worker;
  }

  /** @throws ServingError of the canary, or SERVING_NOT_READY, SERVING_DEADLINE */
  infer(request: CanaryRequest): Promise<readonly TensorValue[]> {
    return this.#judged({
      tensors: request.inputs,
      patienceMs: request.patienceMs,
      ask: (worker) => worker.canary(request),
      outcomeOf: () => ({ kind: 'answered' }),
      // What fails here is compared with what stable does with it.
      faultOf: (code) => (code === 'SERVING_DEADLINE' && request.isPatient ? { kind: 'late' } : undefined),
    });
  }

  async shadow(shadow: Shadow): Promise<void> {
    const { inputs, outputs, stableMs } = shadow;
    await this.#judged({
      tensors: [...inputs, ...outputs],
      patienceMs: Math.max(leastShadowPatienceMs, shadowPatienceOfStable * stableMs),
      ask: (worker) => worker.compare(shadow),
      outcomeOf: ({ isSame, canaryMs }) => ({ kind: isSame ? 'same' : 'different', canaryMs, stableMs }),
      faultOf,
    });
  }

  async #judged<T>(question: Question<T>): Promise<T> {
    const worker = this.#worker;
    if (this.#ended || worker?.isReady !== true)
      throw new ServingError('SERVING_NOT_READY', 'The canary is not running');
    let bytes = 0;
    for (const tensor of question.tensors) bytes += byteLengthOf(tensor);
    if (!this.#hasRoomFor(bytes)) {
      // Filled by what it is late with, it is late with this too.
      if (this.#overdue > 0) this.#note(question.faultOf('SERVING_DEADLINE'));
      throw new ServingError('SERVING_NOT_READY', `The canary of ${this.#model} takes no requests now`);
    }
    return this.#answered(worker, bytes, question);
  }

  #hasRoomFor(bytes: number): boolean {
    if (this.#inFlight === 0) return true;
    return this.#inFlight < maxInFlight && this.#bytesInFlight + bytes <= maxBytesInFlight;
  }

  async #answered<T>(worker: WorkerProcess, bytes: number, question: Question<T>): Promise<T> {
    const { patienceMs, ask, outcomeOf, faultOf } = question;
    this.#inFlight += 1;
    this.#bytesInFlight += bytes;
    let overdue = 0;
    const asked = ask(worker).finally(() => {
      this.#inFlight -= 1;
      this.#bytesInFlight -= bytes;
      this.#overdue -= overdue;
    });
    let stop = () => {};
    const late = new Promise<never>((_, reject) => {
      stop = lateAfter(patienceMs, () => {
        const fault = faultOf('SERVING_DEADLINE');
        overdue = fault === undefined ? 0 : 1;
        this.#overdue += overdue;
        this.#note(fault);
        reject(new ServingError('SERVING_DEADLINE', `The canary did not answer in ${patienceMs} ms`));
      });
    });
    try {
      const answer = await Promise.race([asked, late]);
      this.#note(outcomeOf(answer));
      return answer;
    } catch (error) {
      const { code } = error as ServingError;
      // Whether it is late is seen here; a process that was held up with this one cannot tell.
      if (code !== 'SERVING_DEADLINE') this.#note(faultOf(code));
      throw error;
    } finally {
      stop();
    }
  }

  #note(outcome: CanaryOutcome | undefined): void {
    if (outcome === undefined) return;
    this.#answers(outcome.kind).add();
    const verdict = this.#judge.add(outcome);
    if (verdict !== undefined) this.#takeOut(verdict);
  }

  #takeOut({ reason, message }: Verdict): void {
    if (this.#ended) return;
    const { version, digest } = this.#tried;
    this.#removals(reason).add();
    const text = `Version ${version} of ${this.#model} was taken out, it is ${reason}: ${message}`;
    void this.end();
    this.#remove({ model: this.#model, version, digest, message: text }, reason);
  }

  #exited(worker: WorkerProcess, events: WorkerEvents): void {
    events.exited(worker);
    if (this.#ended || !this.#isOpen) return;
    const { version } = this.#tried;
    const ranMs = performance.now() - this.#startedMs;
    const isRunning = this.#inFlight > 0 || !worker.wasReady;
    this.#log.error({ model: this.#model, version, isRunning }, 'the process of a canary ended');
    this.#answers('crashed').add();
    const verdict = isRunning ? this.#judge.crashed() : this.#judge.endedIdle(ranMs);
    if (verdict === undefined) this.#restart(ranMs);
    else this.#takeOut(verdict);
  }

  #restart(ranMs: number): void {
    if (ranMs >= wellAfterMs) this.#restartMs = leastRestartMs;
    setTimeout(() => {
      if (!this.#ended) this.#launch();
    }, this.#restartMs).unref();
    this.#restartMs = Math.min(mostRestartMs, 2 * this.#restartMs);
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
