import type { CanaryRequest, RemovedVersion, Shadow } from '../canary/calls.ts';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../monitoring/registry.ts';
import type { ChosenModel } from '../repository/chosen.ts';
import type { StoredRequest, StoredResponse } from '../stored.ts';
import { Canaries } from './canaries.ts';
import type { LoadedVersions, LoadFailure, ToWorker, WorkerStart } from './messages.ts';
import { RunningTime } from './running-time.ts';
import { patienceOf, Silence } from './silence.ts';
import type { Connection } from './underway.ts';
import { type WorkerEvents, WorkerProcess } from './worker-process.ts';

/** A worker that crashes again within this time is restarted ever later, up to a second. */
const quickCrashMs = 5_000;
const maxRestartDelayMs = 1_000;
/** Who has taken none of the connections that it was handed for so long is passed over while others take theirs. */
const passOverMs = 100;

/** What a generation tells the server, and what it asks it on behalf of its workers. */
export interface ServerEvents extends Omit<WorkerEvents, 'calls' | 'moved'> {
  readonly calls: Omit<WorkerEvents['calls'], 'canary' | 'shadow'>;
  removed(removed: RemovedVersion): void;
  /** It is killed now. */
  hung(worker: WorkerProcess): void;
  /** Whether another generation takes connections: what this one, which drains, gives back goes there. */
  isReplaced(): boolean;
}

/** How many workers; `gently`: one after the other, for what serves meanwhile needs the processor too. */
export interface Staffing {
  readonly workers: number;
  readonly gently: boolean;
}

/** The workers of one set of settings: started together, restarted one by one, drained together. */
export class Generation {
  readonly settings: ServingSettings;
  readonly #events: WorkerEvents;
  readonly #log: Log;
  readonly #canaries: Canaries;
  /** What newly started workers are told, too. */
  #start: WorkerStart;
  readonly #workers = new Set<WorkerProcess>();
  readonly #parked: Connection[] = [];
  /** What newly started workers are told, too. */
  #failures: readonly LoadFailure[] = [];
  #leaving = false;
  #next = 0;
  #retired = false;
  #crashes = 0;
  readonly #time: RunningTime;

  private constructor(start: WorkerStart, events: ServerEvents, metrics: Metrics, log: Log) {
    this.settings = start.settings;
    this.#start = start;
    const calls = {
      ...events.calls,
      canary: (request: CanaryRequest) => this.#canaries.infer(request),
      shadow: (shadow: Shadow) => this.#canaries.shadow(shadow),
    };
    this.#events = {
      ...events,
      calls,
      exited: (worker) => this.#exited(worker, events),
      moved: () => this.#unpark(),
    };
    this.#canaries = new Canaries(start, { ...events, calls, moved: () => {} }, metrics, log, (removed) => {
      this.takeOut([...this.#start.removed, removed]);
      events.removed(removed);
    });
    this.#log = log;
    const silence = new Silence(() => this.#workers, patienceOf(start.settings.requestTimeoutMs), {
      silent: (worker) => this.#relieve(worker, events),
      hung: (worker) => this.#killHung(worker, events),
    });
    this.#time = new RunningTime((ms) => silence.passed(ms));
  }

  /**
   * Starts workers and waits until all have loaded and warmed up.
   * @throws LoadRefused of the first that cannot; the others are gone then.
   */
  static async start(
    start: WorkerStart,
    { workers, gently }: Staffing,
    events: ServerEvents,
    metrics: Metrics,
    log: Log,
  ): Promise<Generation> {
    const generation = new Generation(start, events, metrics, log);
    const started: WorkerProcess[] = [];
    try {
      await generation.#canaries.open();
      for (let count = 0; count < workers; count++) {
        const worker = generation.#add();
        started.push(worker);
        if (gently) await worker.ready;
      }
      await Promise.all(started.map((worker) => worker.ready));
      generation.#time.start();
      return generation;
    } catch (error) {
      generation.#retired = true;
      for (const worker of started) worker.kill();
      await Promise.all([generation.#canaries.end(), ...started.map((worker) => worker.gone)]);
      throw error;
    }
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.#workers];
  }

  /** What the workers were told to load. */
  get chosen(): readonly ChosenModel[] {
    return this.#start.models;
  }

  /** Its canaries that were taken out. */
  get removed(): readonly RemovedVersion[] {
    return this.#start.removed;
  }

  /** What the workers serve; the same in each. */
  get models(): readonly LoadedVersions[] {
    return this.workers.find((worker) => worker.isReady)?.models ?? [];
  }

  get isReady(): boolean {
    return this.workers.some((worker) => worker.isReady);
  }

  /** Whether it takes no connections any more. */
  get isRetired(): boolean {
    return this.#retired;
  }

  #add(): WorkerProcess {
    const worker = new WorkerProcess(this.#start, this.#events);
    this.#workers.add(worker);
    this.#events.started(worker);
    worker.ready.then(
      () => {
        if (this.#failures.length > 0) worker.send({ type: 'failures', failures: this.#failures });
        if (this.#leaving) worker.send({ type: 'leaving' });
        // What happened while it loaded.
        worker.send({ type: 'removed', removed: this.#start.removed });
        this.#unpark();
      },
      () => {},
    );
    return worker;
  }

  /** Tells every worker, also those that are started later, what could not be loaded. */
  tellFailures(failures: readonly LoadFailure[]): void {
    this.#failures = failures;
    this.#tell({ type: 'failures', failures });
  }

  /** The server is to end: who asks a worker whether it is ready hears that it is not. */
  leave(): void {
    this.#leaving = true;
    this.#tell({ type: 'leaving' });
  }

  /** All of its canaries that are out, also where another generation tried them. */
  takeOut(removed: readonly RemovedVersion[]): void {
    this.#start = { ...this.#start, removed };
    this.#canaries.leave(removed);
    this.#tell({ type: 'removed', removed });
  }

  #tell(message: ToWorker): void {
    for (const worker of this.#workers) if (worker.isReady) worker.send(message);
  }

  /** Those that can answer. */
  #ready(): WorkerProcess[] {
    return this.workers.filter((worker) => worker.isReady && !worker.isDraining);
  }

  #nextOf(workers: readonly WorkerProcess[]): WorkerProcess | undefined {
    return workers[this.#next++ % Math.max(workers.length, 1)];
  }

  /** Lets a worker answer a request. @throws ServingError SERVING_NOT_READY where none can */
  async run(request: StoredRequest): Promise<StoredResponse> {
    return this.#someone().run(request);
  }

  /** The same on behalf of somebody who was let in before. */
  async runFor(request: StoredRequest, callerId: string, model: string): Promise<StoredResponse> {
    return this.#someone().runFor(request, callerId, model);
  }

  #someone(): WorkerProcess {
    const ready = this.#ready();
    const worker = this.#nextOf(ready.filter(isPrompt)) ?? this.#nextOf(ready);
    if (worker === undefined) throw new ServingError('SERVING_NOT_READY', 'No worker is ready');
    return worker;
  }

  /** Gives a new connection to the next ready worker that has taken all that it was given, or to the only one; with none it waits for the first. */
  hand(connection: Connection): void {
    const ready = this.#ready();
    const isAlone = ready.length === 1;
    const worker = this.#nextOf(isAlone ? ready : ready.filter(isFree));
    if (worker === undefined) this.#parked.push(connection);
    else worker.hand(connection, isAlone);
  }

  #unpark(): void {
    let left = this.#parked.length;
    while (left-- > 0 && this.#takesMore()) this.hand(this.#parked.shift() as Connection);
  }

  #takesMore(): boolean {
    const ready = this.#ready();
    return ready.length === 1 || ready.some(isFree);
  }

  /** What it does not come to goes to others, where there are any that do. */
  #relieve(silent: WorkerProcess, events: ServerEvents): void {
    if (this.#retired) {
      if (events.isReplaced()) events.returned(silent.takeBack());
      return;
    }
    if (!this.#ready().some((worker) => worker !== silent && isPrompt(worker))) return;
    for (const connection of silent.takeBack()) this.hand(connection);
  }

  #killHung(worker: WorkerProcess, events: ServerEvents): void {
    events.hung(worker);
    worker.silentMs = 0;
    worker.kill();
  }

  #exited(worker: WorkerProcess, events: ServerEvents): void {
    this.#workers.delete(worker);
    events.exited(worker);
    if (this.#retired || worker.isDraining) return;
    events.crashed(worker);
    this.#crashes += 1;
    const delayMs = Math.min(maxRestartDelayMs, 50 * (this.#crashes - 1));
    this.#log.error({ worker: worker.pid, delayMs }, 'a worker ended; starting another');
    setTimeout(() => {
      if (!this.#retired) this.#add();
    }, delayMs);
    setTimeout(() => {
      this.#crashes = Math.max(0, this.#crashes - 1);
    }, quickCrashMs).unref();
  }

  /** Idle connections are kept for no longer than `idleMs` from now. */
  hurry(idleMs: number): void {
    for (const worker of this.#workers) worker.hurry(idleMs);
  }

  /** Finishes what is in flight, for at most `timeoutMs`; idle connections are kept for `idleMs`. Resolves when all are gone. */
  async drain(timeoutMs: number, idleMs: number): Promise<void> {
    this.#retired = true;
    // Whoever is to end takes them, before it is told to.
    const ready = this.#ready();
    const prompt = ready.filter(isPrompt);
    const takers = prompt.length > 0 ? prompt : ready;
    if (takers.length > 0) {
      for (const connection of this.#parked.splice(0)) this.#nextOf(takers)?.hand(connection, true);
    }
    await Promise.all(
      this.workers.map((worker) => {
        if (worker.isReady) return worker.drain(timeoutMs, idleMs);
        worker.kill();
        return worker.gone;
      }),
    );
    this.#time.stop();
    await this.#canaries.end();
    this.#events.returned(this.#parked.splice(0));
  }
}

/**
 * Whether it gets another connection. A process takes one in each turn of its loop, which may be as long as a run of a model: of
 * several, the last would wait for as many runs, be declined because it came too late, and wait again elsewhere.
 */
function isFree(worker: WorkerProcess): boolean {
  return worker.hasTakenAll;
}

/** Whether it takes the connections that it is given. */
function isPrompt(worker: WorkerProcess): boolean {
  return worker.waitingMs < passOverMs;
}
