import type { RemovedVersion } from '../canary/calls.ts';
import { Connections, connectionLimit, openFilesLimit } from '../connections.ts';
import type { FeedbackRecord, ServerState, ServingSettings } from '../contract/index.ts';
import { plan } from '../engine/threads.ts';
import { ServingError } from '../errors.ts';
import type { GivenFeedback } from '../feedback/misfit.ts';
import type { Log } from '../log.ts';
import type { Database } from '../middleware/database/database.ts';
import { openDatabase } from '../middleware/database/index.ts';
import { Metrics } from '../monitoring/registry.ts';
import type { ChosenModel } from '../repository/chosen.ts';
import { VersionRefused } from '../repository/version.ts';
import { type Audit, LoggedAudit } from '../security/audit.ts';
import { Allowances } from './allowances.ts';
import { AsyncDesk } from './async-desk.ts';
import { stillOut } from './canaries.ts';
import { Catalogue, isSame } from './catalogue.ts';
import { FeedbackDesk } from './feedback-desk.ts';
import { Gathered } from './gathered.ts';
import { Generation, type ServerEvents } from './generation.ts';
import { type Address, Listeners } from './listeners.ts';
import { ManagementServer } from './management-server.ts';
import type { LoadFailure } from './messages.ts';
import { ModelControl } from './model-control.ts';
import { modelStates } from './model-states.ts';
import { Poll } from './poll.ts';
import { Retiring } from './retiring.ts';
import type { Connection } from './underway.ts';
import { LoadRefused, type WorkerProcess } from './worker-process.ts';

/** Which versions an error is about. */
function failuresOf(error: Error): readonly LoadFailure[] {
  if (error instanceof LoadRefused) return error.failures;
  if (!(error instanceof VersionRefused)) return [];
  return [{ model: error.model, version: error.version, message: error.message }];
}

/**
 * The one process that lasts: it owns the ports, alone asks the embedded database, starts workers, replaces them when the settings or the
 * versions change, and adds up what they measure.
 */
export class Supervisor {
  readonly #log: Log;
  readonly #audit: Audit;
  readonly #metrics = new Metrics();
  readonly #database: Promise<Database>;
  /** Undefined once it was called: a new database takes seconds of a processor, which the first workers need more. */
  #openDatabase: (() => void) | undefined;
  #isDatabaseOpen = false;
  readonly #desk: FeedbackDesk;
  readonly #allowances: Allowances;
  readonly #listeners: Listeners;
  readonly #management: ManagementServer;
  readonly #control: ModelControl;
  readonly #retiring = new Retiring();
  readonly #startedAtMs = Date.now();
  /** Also those that drain. */
  readonly #workers = new Set<WorkerProcess>();
  readonly #gathered = new Gathered(this.#metrics, this.#workers);
  #generation: Generation | undefined;
  #async: AsyncDesk | undefined;
  #failures: readonly LoadFailure[] = [];
  #catalogue: Catalogue | undefined;
  /** Why the newest settings or versions are not what serves; empty where they are. */
  #refusal = '';
  /** Whether settings were refused since others served: a look at the repository does not mend that. */
  #areSettingsRefused = false;
  /** Canaries that were taken out; the same version is not tried again while this process lives. */
  #removed: readonly RemovedVersion[] = [];
  /** What was tried last and did not load. */
  #refusedModels: readonly ChosenModel[] | undefined;
  #changing: Promise<unknown> = Promise.resolve();
  #draining = false;
  readonly #poll: Poll;

  /** @param settings of the first start; state folder and database stay what they are. */
  constructor(settings: ServingSettings, log: Log) {
    this.#log = log;
    this.#audit = new LoggedAudit(log);
    this.#database = new Promise((resolve, reject) => {
      this.#openDatabase = () => void openDatabase(settings).then(resolve, reject);
    });
    const isOpen = () => {
      this.#isDatabaseOpen = true;
    };
    this.#database.then(isOpen, () => {});
    this.#desk = new FeedbackDesk(this.#database, log);
    this.#allowances = new Allowances(this.#database);
    this.#control = new ModelControl(
      () => this.#serving(),
      (changed) => this.#apply(changed),
      this.#audit,
    );
    this.#poll = new Poll(() => this.reload(false).catch(() => {}));
    const limit = connectionLimit(openFilesLimit());
    const refused = this.#metrics.count('modelmile_connections_refused_total', { process: 'supervisor' });
    const connections = (share: number) => new Connections(share * limit, () => refused.add());
    this.#listeners = new Listeners((connection) => this.#hand(connection), connections(0.75));
    this.#management = new ManagementServer(
      {
        readiness: () =>
          !this.#draining && this.#generation?.isReady === true
            ? this.#generation.settings.executionProvider
            : undefined,
        metrics: () => this.#gathered.text(),
      },
      connections(0.25),
    );
  }

  /** @throws ServingError SERVING_NOT_READY */
  #serving(): Generation {
    if (this.#generation !== undefined) return this.#generation;
    throw new ServingError('SERVING_NOT_READY', 'Nothing serves yet');
  }

  #hand(connection: Connection): void {
    if (this.#generation === undefined || this.#generation.isRetired) connection.socket.destroy();
    else this.#generation.hand(connection);
  }

  /**
   * Brings the service to the given settings: the first time it starts, later it reloads without dropping a request. Changes queue up.
   * @throws ServingError with what served before serving on.
   */
  async apply(settings: ServingSettings): Promise<void> {
    await this.#apply(() => settings);
    this.#control.forget();
  }

  /** @param ask for the settings, which may be some of those that serve when their turn has come */
  #apply(ask: () => ServingSettings): Promise<void> {
    return this.#inTurn(async () => {
      const settings = ask();
      this.#areSettingsRefused = true;
      const catalogue = this.#orRefuse(() => new Catalogue(settings));
      const models = await this.#orRefuse(() => catalogue.choose());
      await this.#orRefuse(() => this.#change(settings, catalogue, models));
    });
  }

  /**
   * Serves what the repository has now. Answers whether that is something new. `again`: also what did not load the last time.
   * @throws ServingError with what served before serving on.
   */
  reload(again = true): Promise<boolean> {
    return this.#inTurn(async () => {
      const { settings, chosen } = this.#serving();
      const catalogue = this.#catalogue as Catalogue;
      const models = await this.#orRefuse(() => catalogue.choose());
      const isServed = isSame(chosen, models);
      if (isServed && this.#refusal !== '' && !this.#areSettingsRefused) this.#served();
      if (isServed || (!again && isSame(this.#refusedModels, models))) {
        this.#poll.start(settings.pollSeconds);
        return false;
      }
      this.#refusedModels = models;
      await this.#orRefuse(() => this.#change(settings, catalogue, models));
      return true;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const change = this.#changing.then(work);
    this.#changing = change.catch(() => {});
    return change;
  }

  /** Says why to those who ask for the status, the metrics or the log. */
  #orRefuse<T>(work: () => T): T {
    const refuse = (error: unknown): never => {
      this.#refused(error as Error);
      throw error;
    };
    try {
      const result = work();
      return result instanceof Promise ? (result.catch(refuse) as T) : result;
    } catch (error) {
      return refuse(error);
    }
  }

  async #change(
    settings: ServingSettings,
    catalogue: Catalogue,
    models: readonly ChosenModel[],
  ): Promise<void> {
    if (this.#draining) throw new ServingError('SERVING_NOT_READY', 'The server is draining');
    const previous = this.#generation;
    const listeners = await this.#listeners.change(settings);
    const management = await this.#management.change(settings.management).catch((error) => {
      listeners.undo();
      throw error;
    });
    const { workers, threads } = plan(settings);
    try {
      const start = { settings, models, removed: stillOut(this.#removed, models), threads };
      this.#generation = await Generation.start(
        start,
        { workers, gently: previous !== undefined },
        this.#events(),
        this.#metrics,
        this.#log,
      );
    } catch (error) {
      listeners.undo();
      management.undo();
      throw error;
    }
    // What served tried its canaries on, and tries them while it drains.
    this.#tellRemoved();
    this.#openDatabase?.();
    this.#openDatabase = undefined;
    listeners.commit();
    management.commit();
    this.#catalogue = catalogue;
    this.#openAsync(settings);
    this.#metrics.count('modelmile_reloads_total', { result: 'served' }).add();
    this.#gathered.start();
    if (previous !== undefined) this.#retiring.add(previous);
    this.#served();
    // After this change and before the next, which may go back to a version that would be forgotten.
    void this.#inTurn(() => catalogue.prune(models)).catch(() => {});
    const loaded = this.#generation.models;
    // There from the start: an alert on what is new sees no difference to nothing.
    for (const { name } of loaded)
      this.#metrics.count('modelmile_model_load_failures_total', { model: name });
    this.#audit.event('settings-applied', { models: loaded });
    this.#log.info({ models: loaded, rest: this.#listeners.address('rest') }, 'serving');
  }

  /** What was asked for serves. */
  #served(): void {
    this.#failures = [];
    this.#refusal = '';
    this.#areSettingsRefused = false;
    this.#refusedModels = undefined;
    this.#generation?.tellFailures([]);
    this.#poll.start(this.#generation?.settings.pollSeconds ?? 0);
  }

  #refused(error: Error): void {
    this.#poll.start(this.#generation?.settings.pollSeconds ?? 0);
    // Found again at every look at the repository, and said once.
    if (this.#refusal === error.message) return;
    this.#refusal = error.message;
    this.#failures = failuresOf(error);
    for (const { model } of this.#failures) {
      this.#metrics.count('modelmile_model_load_failures_total', { model }).add();
    }
    this.#metrics.count('modelmile_reloads_total', { result: 'refused' }).add();
    this.#audit.event('settings-refused', { reason: error.message });
    const rest = this.#generation === undefined ? 'nothing serves' : 'what served before serves on';
    this.#log.error({ reason: error.message }, `refused; ${rest}`);
    this.#generation?.tellFailures(this.#failures);
  }

  #events(): ServerEvents {
    return {
      calls: {
        feedback: (said) => this.#feedback(said),
        history: () => this.#gathered.history,
        totals: () => this.#gathered.snapshot(),
        repository: () => this.#catalogue?.models() ?? [],
        control: ({ action, model }) => this.#control.change(action, model),
        configure: (models) => this.#control.configure(models),
        reload: () => this.reload(),
        submit: async (request) => this.#asynchronous().submit(request),
        later: async ({ call, id, callerId }) => this.#asynchronous()[call](id, callerId),
        forward: (request) => this.#serving().run(request),
        lease: ({ callerId, wanted, limits }) => this.#allowances.lease(callerId, wanted, limits),
      },
      started: (worker) => this.#workers.add(worker),
      predictions: (records) => this.#desk.predictions(records),
      exited: (worker) => {
        this.#workers.delete(worker);
        this.#gathered.retire(worker);
      },
      returned: (connections) => {
        for (const connection of connections) this.#hand(connection);
      },
      removed: (removed) => this.#takenOut(removed),
      crashed: () => this.#metrics.count('modelmile_worker_crashes_total', {}).add(),
      hung: ({ pid, silentMs }) =>
        this.#audit.event('worker-killed', { worker: pid, silentMs: Math.round(silentMs) }),
      isReplaced: () => this.#generation?.isRetired === false,
    };
  }

  /** @throws ServingError SERVING_UNIMPLEMENTED */
  #asynchronous(): AsyncDesk {
    if (this.#async !== undefined && this.#generation?.settings.asyncRequests !== undefined)
      return this.#async;
    throw new ServingError('SERVING_UNIMPLEMENTED', 'Asynchronous requests are off (asyncRequests)');
  }

  /** Opens with the first settings that ask for it; its limits stay what they are. */
  #openAsync(settings: ServingSettings): void {
    if (settings.asyncRequests === undefined || this.#async !== undefined) return;
    this.#async = new AsyncDesk(
      settings,
      settings.asyncRequests,
      this.#database,
      () => this.#serving(),
      this.#metrics,
      this.#log,
    );
  }

  #takenOut(removed: RemovedVersion): void {
    const { model, version, message } = removed;
    this.#removed = [...this.#removed, removed];
    this.#log.error(
      { model, version, reason: message },
      'a canary was taken out; stable answers all requests',
    );
    this.#audit.event('canary-removed', { model, version, reason: message });
    this.#tellRemoved();
  }

  #tellRemoved(): void {
    this.#generation?.takeOut(stillOut(this.#removed, this.#generation.chosen));
  }

  async #feedback({ model, request, misfits }: GivenFeedback): Promise<{ feedbackId: string }> {
    try {
      return await this.#desk.feedback(model, request, misfits);
    } catch (error) {
      if ((error as ServingError).code !== 'SERVING_PREDICTION_NOT_FOUND') throw error;
      // It may still be with a worker: everyone hands over.
      await Promise.all([...this.#workers].map((worker) => worker.flush()));
      return this.#desk.feedback(model, request, misfits);
    }
  }

  /** Whether anybody can have been answered. */
  get hasServed(): boolean {
    return this.#generation !== undefined;
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
      models: modelStates(this.#generation?.models ?? [], this.#generation?.removed ?? [], this.#failures),
      refusal: this.#refusal,
    };
  }

  /**
   * Readiness off, lame duck, no new connections, finish what is in flight, write what waits. The process may end afterwards.
   */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    await this.#changing;
    this.#generation?.leave();
    const settings = this.#generation?.settings;
    await new Promise((resolve) => setTimeout(resolve, settings?.lameDuckMs ?? 0));
    this.#listeners.close();
    await this.#async?.close(settings?.drainTimeoutMs ?? 0);
    if (this.#generation !== undefined) this.#retiring.add(this.#generation);
    await this.#retiring.end();
    this.#gathered.stop();
    this.#poll.stop();
    await this.#allowances.close();
    await this.#desk.close();
    // One that is still being made holds nothing.
    if (this.#isDatabaseOpen) await this.#database.then((database) => database.close()).catch(() => {});
    this.#audit.event('server-drained', {});
    await this.#management.close();
  }
}
