import type { Socket } from 'node:net';
import type { ServingSettings } from '../contract/index.ts';
import { plan } from '../engine/threads.ts';
import type { Log } from '../log.ts';
import type { LoadedVersions } from './messages.ts';
import { type WorkerEvents, WorkerProcess } from './worker-process.ts';

/** A worker that crashes again within this time is restarted ever later, up to a second. */
const quickCrashMs = 5_000;

/** The workers of one set of settings: started together, restarted one by one, drained together. */
export class Generation {
  readonly settings: ServingSettings;
  readonly #events: WorkerEvents;
  readonly #log: Log;
  readonly #threads: number;
  readonly #workers = new Set<WorkerProcess>();
  readonly #parked: { listener: 'rest' | 'grpc'; socket: Socket }[] = [];
  #next = 0;
  #retired = false;
  #crashes = 0;

  private constructor(settings: ServingSettings, events: WorkerEvents, log: Log, threads: number) {
    this.settings = settings;
    this.#events = {
      ...events,
      orphaned: (listener, socket) =>
        this.#retired ? events.orphaned(listener, socket) : this.hand(listener, socket),
      exited: (worker) => this.#exited(worker, events),
    };
    this.#log = log;
    this.#threads = threads;
  }

  /**
   * Starts as many workers as the settings say and waits until all have loaded and warmed up.
   * @throws ServingError SERVING_LOAD_FAILED of the first that cannot; the others are gone then.
   */
  static async start(settings: ServingSettings, events: WorkerEvents, log: Log): Promise<Generation> {
    const { workers, threads } = plan(settings.workers);
    const generation = new Generation(settings, events, log, threads);
    const started = Array.from({ length: workers }, () => generation.#add());
    try {
      await Promise.all(started.map((worker) => worker.ready));
      return generation;
    } catch (error) {
      generation.#retired = true;
      for (const worker of started) worker.kill();
      await Promise.all(started.map((worker) => worker.gone));
      throw error;
    }
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.#workers];
  }

  /** What the workers serve; the same in each. */
  get models(): readonly LoadedVersions[] {
    return this.workers.find((worker) => worker.isReady)?.models ?? [];
  }

  get isReady(): boolean {
    return this.workers.some((worker) => worker.isReady);
  }

  #add(): WorkerProcess {
    const worker = new WorkerProcess(this.settings, this.#threads, this.#events);
    this.#workers.add(worker);
    worker.ready.then(
      () => {
        for (const { listener, socket } of this.#parked.splice(0)) this.hand(listener, socket);
      },
      () => {},
    );
    return worker;
  }

  /** Gives a new connection to the next ready worker; with none it waits for one. */
  hand(listener: 'rest' | 'grpc', socket: Socket): void {
    const ready = this.workers.filter((worker) => worker.isReady && !worker.isDraining);
    const worker = ready[this.#next++ % Math.max(ready.length, 1)];
    if (worker === undefined) this.#parked.push({ listener, socket });
    else worker.hand(listener, socket);
  }

  #exited(worker: WorkerProcess, events: WorkerEvents): void {
    this.#workers.delete(worker);
    events.exited(worker);
    if (this.#retired || worker.isDraining) return;
    this.#crashes += 1;
    const delayMs = Math.min(1_000, 50 * (this.#crashes - 1));
    this.#log.error({ worker: worker.pid, delayMs }, 'a worker ended; starting another');
    setTimeout(() => {
      if (!this.#retired) this.#add();
    }, delayMs);
    setTimeout(() => {
      this.#crashes = Math.max(0, this.#crashes - 1);
    }, quickCrashMs).unref();
  }

  /** Finishes what is in flight; resolves when every worker is gone. Connections that waited here go to whoever serves now. */
  async drain(timeoutMs: number): Promise<void> {
    this.#retired = true;
    await Promise.all(
      this.workers.map((worker) => {
        if (worker.isReady) return worker.drain(timeoutMs);
        worker.kill();
        return worker.gone;
      }),
    );
    for (const { listener, socket } of this.#parked.splice(0)) this.#events.orphaned(listener, socket);
  }
}
