import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { MetricsSnapshot } from '../monitoring/registry.ts';
import type { FromWorker, LoadedVersions, ToWorker } from './messages.ts';

const entry = fileURLToPath(new URL('../worker.ts', import.meta.url));

/** What the supervisor does with what workers say on their own. */
export interface WorkerEvents {
  predictions(records: Extract<FromWorker, { type: 'predictions' }>['records']): void;
  feedback(worker: WorkerProcess, message: Extract<FromWorker, { type: 'feedback' }>): void;
  consoleStats(worker: WorkerProcess, id: number): void;
  totals(worker: WorkerProcess, id: number): void;
  control(worker: WorkerProcess, message: Extract<FromWorker, { type: 'control' }>): void;
  /** A connection that the worker did not take before it ended: nothing of it has been read. */
  orphaned(listener: Listener, socket: Socket): void;
  exited(worker: WorkerProcess): void;
}

type Listener = Extract<ToWorker, { type: 'connection' }>['listener'];

/** One worker as the supervisor sees it. */
export class WorkerProcess {
  readonly ready: Promise<readonly LoadedVersions[]>;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  isReady = false;
  isDraining = false;
  models: readonly LoadedVersions[] = [];
  /** The newest totals that it reported. */
  metrics: MetricsSnapshot = [];
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #waiting = new Map<number, () => void>();
  /** Connections on their way to the worker. */
  readonly #handed = new Map<number, { listener: Listener; socket: Socket }>();
  #nextId = 1;

  constructor(settings: ServingSettings, threads: number, events: WorkerEvents) {
    this.#events = events;
    this.#child = fork(entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    let settle: { resolve(models: readonly LoadedVersions[]): void; reject(error: Error): void };
    this.ready = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.ready.catch(() => {});
    this.gone = new Promise((resolve) => {
      const end = () => {
        this.isReady = false;
        settle.reject(
          new ServingError('SERVING_LOAD_FAILED', `Worker ${this.pid} ended before it was ready`),
        );
        for (const answered of this.#waiting.values()) answered();
        resolve();
        events.exited(this);
        for (const { listener, socket } of this.#handed.values()) events.orphaned(listener, socket);
      };
      this.#child.once('exit', end);
    });
    this.#child.on('error', () => {});
    this.#child.on('message', (message) => {
      const said = message as FromWorker;
      if (said.type === 'ready') {
        this.models = said.models;
        this.isReady = true;
        settle.resolve(said.models);
      } else if (said.type === 'failed') {
        settle.reject(new ServingError(said.code, said.message));
        this.kill();
      } else this.#receive(said);
    });
    this.send({ type: 'start', settings, threads });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Hands a connection over. This process keeps it open until the worker says that it has it: a kill in between loses nothing. */
  hand(listener: Listener, socket: Socket): void {
    const id = this.#nextId++;
    this.#handed.set(id, { listener, socket });
    if (this.#child.connected) {
      this.#child.send(
        { type: 'connection', listener, id } satisfies ToWorker,
        socket,
        { keepOpen: true },
        () => {},
      );
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #receive(message: Exclude<FromWorker, { type: 'ready' | 'failed' }>): void {
    switch (message.type) {
      case 'predictions':
        this.#events.predictions(message.records);
        break;
      case 'feedback':
        this.#events.feedback(this, message);
        break;
      case 'console-stats':
        this.#events.consoleStats(this, message.id);
        break;
      case 'totals':
        this.#events.totals(this, message.id);
        break;
      case 'control':
        this.#events.control(this, message);
        break;
      case 'metrics':
        this.metrics = message.metrics;
        this.#answered(message.id);
        break;
      case 'flushed':
        this.#answered(message.id);
        break;
      case 'taken':
        this.#handed.get(message.id)?.socket.destroy();
        this.#handed.delete(message.id);
        break;
    }
  }

  #answered(id: number): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  #ask(message: (id: number) => ToWorker): Promise<void> {
    if (!this.isReady || !this.#child.connected) return Promise.resolve();
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.send(message(id));
    });
  }

  /** Resolves when the worker's totals are new, or it is gone. */
  refreshMetrics(): Promise<void> {
    return this.#ask((id) => ({ type: 'metrics', id }));
  }

  /** Resolves when every answer up to now has been handed over. */
  flush(): Promise<void> {
    return this.#ask((id) => ({ type: 'flush', id }));
  }

  /** Lets it finish what it has, for at most `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.isDraining = true;
    this.send({ type: 'drain' });
    const deadline = setTimeout(() => this.kill(), timeoutMs);
    await this.gone;
    clearTimeout(deadline);
  }
}
