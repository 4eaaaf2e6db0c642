import { type FeedbackRecord, ServedModel, type ServerState, ServingSettings } from '../contract/index.ts';
import { ServingError, type ServingErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { MetricsSnapshot } from '../monitoring/registry.ts';
import { assertSafeToListen } from '../security/loopback.ts';
import { FeedbackDesk } from './feedback-desk.ts';
import { Generation } from './generation.ts';
import { type Address, Listeners } from './listeners.ts';
import { ManagementServer } from './management-server.ts';
import { Totals } from './totals.ts';
import type { WorkerEvents, WorkerProcess } from './worker-process.ts';

const tickMs = 1_000;

/** @throws ServingError SERVING_BAD_SETTINGS with every fault and its path */
export function parseSettings(json: unknown): ServingSettings {
  const parsed = ServingSettings.safeParse(json);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw new ServingError('SERVING_BAD_SETTINGS', `The settings are not valid: ${faults.join('; ')}`);
  }
  assertSafeToListen(parsed.data, false);
  return parsed.data;
}

/**
 * The one process that lasts: it owns the ports and the embedded database, starts workers, replaces them when the settings or the
 * versions change, and adds up what they measure.
 */
export class Supervisor {
  readonly #log: Log;
  readonly #totals = new Totals();
  readonly #desk: FeedbackDesk;
  readonly #listeners: Listeners;
  readonly #management: ManagementServer;
  readonly #startedAtMs = Date.now();
  readonly #retiring = new Set<Promise<void>>();
  readonly #everyone = new Set<WorkerProcess>();
  #generation: Generation | undefined;
  #changing: Promise<unknown> = Promise.resolve();
  #draining = false;
  #ticker: NodeJS.Timeout | undefined;

  constructor({ stateDir, database }: Pick<ServingSettings, 'stateDir' | 'database'>, log: Log) {
    this.#log = log;
    this.#desk = new FeedbackDesk(stateDir, database, log);
    this.#listeners = new Listeners((kind, socket) => {
      if (this.#generation === undefined) socket.destroy();
      else this.#generation.hand(kind, socket);
    });
    this.#management = new ManagementServer({
      isReady: () => !this.#draining && this.#generation?.isReady === true,
      metrics: () => this.#metrics(),
    });
  }

  /**
   * Brings the service to the given settings: the first time it starts, later it reloads without dropping a request. Changes queue up.
   * @throws ServingError with what served before serving on.
   */
  apply(settings: ServingSettings): Promise<void> {
    const change = this.#changing.then(() => this.#change(settings));
    this.#changing = change.catch(() => {});
    return change;
  }

  async #change(settings: ServingSettings): Promise<void> {
    if (this.#draining) throw new ServingError('SERVING_NOT_READY', 'The server is draining');
    const closeReplaced = await this.#listeners.change(settings);
    await this.#management.listen(settings.management);
    const previous = this.#generation;
    this.#generation = await Generation.start(settings, this.#events(), this.#log);
    closeReplaced();
    this.#ticker ??= setInterval(() => void this.#tick(), tickMs).unref();
    // Waited for, so that whoever applied settings gets no answer of the old ones afterwards, on an old connection either.
    if (previous !== undefined) await this.#retire(previous);
    this.#log.info({ models: this.#generation.models, rest: this.#listeners.address('rest') }, 'serving');
  }

  #retire(generation: Generation): Promise<void> {
    const drained = generation.drain(generation.settings.drainTimeoutMs);
    this.#retiring.add(drained);
    void drained.finally(() => this.#retiring.delete(drained));
    return drained;
  }

  #events(): WorkerEvents {
    return {
      predictions: (records) => this.#desk.predictions(records),
      feedback: (worker, { id, model, request }) => {
        this.#feedback(model, request).then(
          ({ feedbackId }) => worker.send({ type: 'feedback-stored', id, feedbackId }),
          (error: Error) => {
            const code: ServingErrorCode =
              error instanceof ServingError ? error.code : 'SERVING_FEEDBACK_UNAVAILABLE';
            worker.send({ type: 'feedback-refused', id, code, message: error.message });
          },
        );
      },
      consoleStats: (worker, id) => worker.send({ type: 'console-stats', id, stats: this.#totals.history }),
      totals: (worker, id) => {
        void this.#snapshot().then((metrics) => worker.send({ type: 'totals', id, metrics }));
      },
      control: (worker, { id, action, model }) => {
        this.#control(action, model).then(
          () => worker.send({ type: 'controlled', id }),
          (error: Error) => {
            const code: ServingErrorCode = error instanceof ServingError ? error.code : 'SERVING_LOAD_FAILED';
            worker.send({ type: 'controlled', id, refusal: { code, message: error.message } });
          },
        );
      },
      orphaned: (listener, socket) => {
        if (this.#generation === undefined || this.#draining) socket.destroy();
        else this.#generation.hand(listener, socket);
      },
      exited: (worker) => {
        this.#everyone.delete(worker);
        this.#totals.retire(worker);
      },
    };
  }

  /** The prediction may still be with another worker: everyone hands over first. */
  async #feedback(
    model: string,
    request: Parameters<FeedbackDesk['feedback']>[1],
  ): Promise<{ feedbackId: string }> {
    await Promise.all(this.#workers().map((worker) => worker.flush()));
    return this.#desk.feedback(model, request);
  }

  #workers(): readonly WorkerProcess[] {
    for (const worker of this.#generation?.workers ?? []) this.#everyone.add(worker);
    return [...this.#everyone];
  }

  async #tick(): Promise<void> {
    const workers = this.#workers();
    await Promise.all(workers.map((worker) => worker.refreshMetrics()));
    this.#totals.tick(workers);
  }

  async #snapshot(): Promise<MetricsSnapshot> {
    const workers = this.#workers();
    await Promise.all(workers.map((worker) => worker.refreshMetrics()));
    return this.#totals.snapshot(workers);
  }

  /** One model more or less than now, all else as it is. */
  async #control(action: 'load' | 'unload', name: string): Promise<void> {
    const settings = this.#generation?.settings;
    if (settings?.modelControl !== true) {
      throw new ServingError(
        'SERVING_FORBIDDEN',
        'Models are loaded and unloaded by the settings: modelControl is off',
      );
    }
    const served =
      settings.models ??
      this.#generation?.models.map((model) => ServedModel.parse({ name: model.name })) ??
      [];
    const others = served.filter((model) => model.name !== name);
    const loaded = served.find((model) => model.name === name) ?? ServedModel.parse({ name });
    await this.apply({ ...settings, models: action === 'load' ? [...others, loaded] : others });
  }

  async #metrics(): Promise<string> {
    const workers = this.#workers();
    await Promise.all(workers.map((worker) => worker.refreshMetrics()));
    return this.#totals.text(workers);
  }

  feedbackOf(model: string): AsyncGenerator<FeedbackRecord> {
    return this.#desk.export(model);
  }

  state(): ServerState {
    const address = (kind: 'rest' | 'grpc'): Address => this.#listeners.address(kind);
    return {
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      draining: this.#draining,
      rest: address('rest'),
      grpc: address('grpc'),
      management: this.#management.address,
      workers: (this.#generation?.workers ?? []).map(({ pid, isReady }) => ({ pid, ready: isReady })),
      models: (this.#generation?.models ?? []).map(({ name, versions }) => ({
        name,
        versions: versions.map(({ version, digest }) => ({
          version,
          digest,
          state: 'AVAILABLE' as const,
          message: '',
        })),
      })),
    };
  }

  /**
   * Readiness off, lame duck, no new connections, finish what is in flight, write what waits. The process may end afterwards.
   */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const settings = this.#generation?.settings;
    await new Promise((resolve) => setTimeout(resolve, settings?.lameDuckMs ?? 0));
    this.#listeners.close();
    if (this.#generation !== undefined) void this.#retire(this.#generation);
    await Promise.all(this.#retiring);
    clearInterval(this.#ticker);
    await this.#desk.close();
    await this.#management.close();
  }
}
