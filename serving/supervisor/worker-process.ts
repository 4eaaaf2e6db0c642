import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CanaryRequest, Comparison, Shadow } from '../canary/calls.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError } from '../errors.ts';
import type { WrittenPrediction } from '../feedback/written-prediction.ts';
import type { MetricsSnapshot } from '../monitoring/registry.ts';
import type { StoredRequest, StoredResponse } from '../stored.ts';
import { type CallHandlers, Channel } from './channel.ts';
import type {
  FromWorker,
  LoadedVersions,
  LoadFailure,
  SupervisorCalls,
  ToWorker,
  WorkerCalls,
  WorkerRole,
  WorkerStart,
} from './messages.ts';
import { type Connection, Underway } from './underway.ts';

const entries = {
  front: fileURLToPath(new URL('../worker.ts', import.meta.url)),
  canary: fileURLToPath(new URL('../canary-worker.ts', import.meta.url)),
} as const satisfies Record<WorkerRole, string>;

/** Who asks for metrics gets what a worker told before, where it takes longer: it runs a model, or hangs. */
const metricsPatienceMs = 3_000;
/** How long after its exit the last words of a worker are waited for. */
const lastWordsMs = 200;

/** What the supervisor does with what workers say on their own. */
export interface WorkerEvents {
  readonly calls: CallHandlers<SupervisorCalls>;
  started(worker: WorkerProcess): void;
  predictions(records: readonly WrittenPrediction[]): void;
  /** It ended without having been asked to. */
  crashed(worker: WorkerProcess): void;
  exited(worker: WorkerProcess): void;
  /** Connections that nobody has read from yet, and that have no worker any more. */
  returned(connections: readonly Connection[]): void;
  /** It took a connection, or said that it does not. */
  moved(worker: WorkerProcess): void;
}

/** A worker could not load its models. */
export class LoadRefused extends ServingError {
  readonly failures: readonly LoadFailure[];

  constructor({ code, message, failures }: Extract<FromWorker, { type: 'failed' }>) {
    super(code, message);
    this.failures = failures;
  }
}

/**
 * A request leaves some kilobytes behind. A young generation that starts small lets what requests still need grow old: every other
 * second the old one was swept, for 20 ms and more. A large one keeps everybody waiting for a millisecond at each sweep, and for tens
 * of them the first time that its memory is touched: at 32 MB that was most of the slowest hundredth of the answers, at 8 MB it is a
 * third of a millisecond for the same time in all. A sweep by threads waits for all of them, of which one always waits for a core where
 * as many workers run as there are cores. Where V8 believes by a few sweeps that what is made at some place lives long, it makes it in
 * the old generation from then on: dead, it keeps all of its request alive. Of ten workers started alike that befell one to three,
 * which then took a quarter more time for everything, with a p99 of three times the others'.
 */
const collectorFlags = [
  '--min-semi-space-size=8',
  '--max-semi-space-size=8',
  '--single-threaded-gc',
  '--no-allocation-site-pretenuring',
  '--expose-gc',
];

/** One worker as the supervisor sees it. */
export class WorkerProcess {
  /** Rejects with LoadRefused where it cannot load. */
  readonly ready: Promise<readonly LoadedVersions[]>;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  isReady = false;
  /** Whether it ever was. */
  wasReady = false;
  isDraining = false;
  /** For how long nothing was heard from it; who watches it counts. */
  silentMs = 0;
  models: readonly LoadedVersions[] = [];
  /** The newest totals that it reported. */
  metrics: MetricsSnapshot = [];
  /** Asked for them, and silent for longer than that. */
  #isSilent = false;
  readonly #role: WorkerRole;
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #channel: Channel<WorkerCalls, SupervisorCalls>;
  readonly #underway = new Underway();
  /** Of idle connections, once it is to end. */
  #idleMs: number | undefined;
  #settle: { resolve(models: readonly LoadedVersions[]): void; reject(error: Error): void } | undefined;

  constructor(start: WorkerStart, events: WorkerEvents, role: WorkerRole = 'front') {
    this.#events = events;
    this.#role = role;
    this.#child = fork(entries[role], [], {
      serialization: 'advanced',
      execArgv: [...process.execArgv, ...collectorFlags],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#channel = new Channel((message) => this.send(message), events.calls);
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.ready.catch(() => {});
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    // What it said last may be read only after its exit is known; the end of the channel comes behind it, but not always.
    const said = new Promise<void>((resolve) => this.#child.once('disconnect', resolve));
    const heard = exited.then(() => {
      this.isReady = false;
      return Promise.race([said, new Promise((resolve) => setTimeout(resolve, lastWordsMs))]);
    });
    const unborn = new Promise<void>((resolve) => {
      this.#child.on('error', () => {
        if (this.#child.pid === undefined) resolve();
      });
    });
    this.gone = Promise.race([unborn, heard.then(() => {})]);
    void this.gone.then(() => this.#end());
    this.#child.on('message', (message) => this.#receive(message as FromWorker));
    this.send({ type: 'start', ...start });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #end(): void {
    this.isReady = false;
    const error = new ServingError('SERVING_LOAD_FAILED', `Worker ${this.pid} ended before it was ready`);
    this.#settle?.reject(error);
    this.#channel.close();
    this.#events.exited(this);
    this.#events.returned(this.#underway.close());
  }

  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /**
   * Hands over a connection. This process keeps its own end until the worker has said that it has it: of a worker that dies before,
   * it is taken back.
   * @param isFinal whether nobody else could take it
   */
  hand(connection: Connection, isFinal: boolean): void {
    const { listener, socket } = connection;
    const message: ToWorker = { type: 'connection', listener, ...this.#underway.add(connection, isFinal) };
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, () => {});
  }

  /** Whether it has spoken of every connection that it was handed. */
  get hasTakenAll(): boolean {
    return this.#underway.isEmpty;
  }

  /** For how long it has taken none of the connections that it was handed. */
  get waitingMs(): number {
    return this.#underway.waitingMs;
  }

  /** Connections that it does not take any more; to be asked for only where nothing is heard from it. */
  takeBack(): Connection[] {
    return this.#underway.takeBack();
  }

  #arrived(id: number): void {
    this.#underway.end(id)?.socket.destroy();
    this.#moved();
  }

  #declined(id: number): void {
    const connection = this.#underway.end(id);
    // Where it is to end, there may be no other.
    if (connection !== undefined && this.isDraining) this.hand(connection, true);
    else if (connection !== undefined) this.#events.returned([{ ...connection, wasMoved: true }]);
    this.#moved();
  }

  /** Neither side is told that a socket found no room among the files of its receiver; the message is lost with it. */
  #lost(lastId: number): void {
    const lost = this.#underway.lost(lastId);
    if (lost.length === 0) return;
    if (this.isDraining) for (const connection of lost) this.hand(connection, true);
    else this.#events.returned(lost);
    this.#moved();
  }

  #moved(): void {
    this.#tellDrain();
    this.#events.moved(this);
  }

  /** Once it has spoken of all that it was handed: what it declines now comes back to it. */
  #tellDrain(): void {
    if (this.#idleMs !== undefined && this.#underway.isEmpty)
      this.send({ type: 'drain', idleMs: this.#idleMs });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #receive(message: FromWorker): void {
    this.silentMs = 0;
    switch (message.type) {
      case 'ready':
        this.models = message.models;
        this.isReady = true;
        this.wasReady = true;
        this.#settle?.resolve(message.models);
        break;
      case 'failed':
        this.#settle?.reject(new LoadRefused(message));
        this.kill();
        break;
      case 'taken':
        this.#arrived(message.id);
        break;
      case 'declined':
        this.#declined(message.id);
        break;
      case 'predictions':
        this.#events.predictions(message.records);
        break;
      case 'totals':
        this.metrics = message.metrics;
        break;
      default:
        this.#channel.receive(message);
    }
  }

  /** Resolves when the worker's totals are new, or it is gone, or too busy to tell. */
  async refreshMetrics(): Promise<void> {
    if (!this.isReady || this.#isSilent) return;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#isSilent = true;
        resolve();
      }, metricsPatienceMs);
    });
    const { lastId } = this.#underway;
    const told = this.#channel
      .call('metrics', undefined)
      .then((metrics) => {
        this.metrics = metrics;
        this.#lost(lastId);
      })
      .catch(() => {})
      .finally(() => {
        clearTimeout(timer);
        this.#isSilent = false;
      });
    await Promise.race([told, silence]);
  }

  /** Resolves when every answer up to now has been handed over, or the worker is gone. */
  async flush(): Promise<void> {
    if (this.isReady && this.#role === 'front') await this.#channel.call('flush', undefined).catch(() => {});
  }

  /** Lets it answer a request. @throws ServingError SERVING_NOT_READY where it is gone */
  run(request: StoredRequest): Promise<StoredResponse> {
    return this.#channel.call('run', request);
  }

  /** The same on behalf of somebody who was let in before. */
  runFor(request: StoredRequest, callerId: string, model: string): Promise<StoredResponse> {
    return this.#channel.call('runFor', { request, callerId, model });
  }

  /** Of a canary's process. @throws ServingError of the model, SERVING_NOT_READY where the process is gone */
  canary(request: CanaryRequest): Promise<readonly TensorValue[]> {
    return this.#channel.call('canary', request);
  }

  /** Of a canary's process; as `canary`. */
  compare(shadow: Shadow): Promise<Comparison> {
    return this.#channel.call('compare', shadow);
  }

  /** Idle connections of a worker that drains are kept for no longer than `idleMs` from now. */
  hurry(idleMs: number): void {
    this.#idleMs = idleMs;
    this.#tellDrain();
  }

  /** Lets it finish what it has, for at most `timeoutMs`; idle connections for at most `idleMs`. */
  async drain(timeoutMs: number, idleMs: number): Promise<void> {
    this.isDraining = true;
    this.hurry(idleMs);
    const deadline = setTimeout(() => this.kill(), timeoutMs);
    await this.gone;
    clearTimeout(deadline);
  }
}
