import type { Socket } from 'node:net';
import { BodyLimits } from './body-limits.ts';
import type { RemovedVersion, Shadow } from './canary/calls.ts';
import { type CanaryCalls, RemoteRunner } from './canary/remote-runner.ts';
import type { Traffic } from './canary/traffic.ts';
import { Connections, connectionLimit, openFilesLimit } from './connections.ts';
import type { ServingSettings } from './contract/index.ts';
import { DataPlane } from './dataplane.ts';
import type { Runner } from './engine/runner.ts';
import { ServingError } from './errors.ts';
import { PredictionRecorder } from './feedback/recorder.ts';
import { GrpcServer } from './grpc-server.ts';
import { createLog } from './log.ts';
import type { LoadedModel } from './models.ts';
import { snapshotWithProcess } from './monitoring/process-metrics.ts';
import { Metrics } from './monitoring/registry.ts';
import { RequestMeter } from './monitoring/request-meter.ts';
import { statisticsOf } from './monitoring/statistics.ts';
import { PictureReader } from './processing/pictures/reader.ts';
import { rehearse } from './rehearsal.ts';
import { type ChosenModel, canaryOf } from './repository/chosen.ts';
import { loadModel } from './repository/load.ts';
import { cachedBy } from './response-cache.ts';
import { RestServer } from './rest-server.ts';
import { Access } from './security/access.ts';
import { LoggedAudit } from './security/audit.ts';
import { ScopedCaller } from './security/caller.ts';
import { RateLimiter } from './security/rate-limiter.ts';
import type { ServerControl } from './server-control.ts';
import type { StoredRequest } from './stored.ts';
import { Channel } from './supervisor/channel.ts';
import { machineMs } from './supervisor/machine-clock.ts';
import {
  type FromWorker,
  failureOf,
  type LoadFailure,
  type SupervisorCalls,
  type ToWorker,
  type WorkerCalls,
  type WorkerStart,
} from './supervisor/messages.ts';
import { openTracer, type Tracer } from './tracing/tracer.ts';

const send = (message: FromWorker): void => {
  process.send?.(message);
};

/** One worker process: its own sessions, the protocols, and no port of its own. */
class Worker {
  readonly #metrics = new Metrics();
  readonly #supervisor = new Channel<SupervisorCalls, WorkerCalls>(send, {
    flush: () => this.#recorder?.flush(),
    metrics: () => snapshotWithProcess(this.#metrics, 'worker'),
    run: (request) => (this.#servers.rest as RestServer).run(request),
    runFor: ({ request, callerId, model }) =>
      (this.#servers.rest as RestServer).run(request, new ScopedCaller(callerId, [`predict:${model}`], {})),
    canary: notHere,
    compare: notHere,
  });
  readonly #connections = new Connections(connectionLimit(openFilesLimit()), () =>
    this.#metrics.count('modelmile_connections_refused_total', { process: 'worker' }).add(),
  );
  readonly #servers: { rest?: RestServer; grpc?: GrpcServer } = {};
  #recorder: PredictionRecorder | undefined;
  #failures: readonly LoadFailure[] = [];
  #leaving = false;
  #models: readonly LoadedModel[] = [];
  #tracer: Tracer | undefined;
  #draining = false;

  async start({ settings, models: chosen, removed, threads }: WorkerStart): Promise<void> {
    const canary: CanaryCalls = {
      ask: (request) => this.#supervisor.call('canary', request),
      shadow: (shadow) => this.#supervisor.call('shadow', shadow).catch(() => {}),
    };
    const runElsewhere = (model: string, stable: Runner, traffic: Traffic) =>
      new RemoteRunner(model, stable, traffic, canary);
    const loading = { settings, threads, metrics: this.#metrics };
    const models: LoadedModel[] = [];
    for (const model of chosen) models.push(await loadModel(model, loading, runElsewhere));
    const cached = await cachedBy(settings, this.#metrics);
    // Beside a canary the times of a model count, which those of the cache are not.
    this.#models = models.map((model, index) =>
      canaryOf(chosen[index] as ChosenModel) === undefined ? cached(model) : model,
    );
    this.#remove(removed);
    await this.#open(settings, models);
    send({
      type: 'ready',
      models: models.map(({ name, versions }) => ({
        name,
        versions: [...versions.values()].map(({ version, digest }) => ({ version, digest })),
      })),
    });
  }

  #remove(removed: readonly RemovedVersion[]): void {
    for (const { name, traffic } of this.#models) {
      const ofModel = removed.filter(({ model }) => model === name);
      if (traffic) traffic.removed = new Map(ofModel.map(({ version, message }) => [version, message]));
    }
  }

  /** @param models without the cache, to rehearse with */
  async #open(settings: ServingSettings, models: readonly LoadedModel[]): Promise<void> {
    const log = createLog(settings.logLevel, 'worker');
    this.#tracer = await openTracer(settings);
    const audit = new LoggedAudit(log);
    const channel = {
      predictions: (records: Extract<FromWorker, { type: 'predictions' }>['records']) =>
        send({ type: 'predictions', records }),
      feedback: (args: Parameters<SupervisorCalls['feedback']>[0]) => this.#supervisor.call('feedback', args),
    };
    this.#recorder = new PredictionRecorder(settings, channel, this.#metrics);
    const parts = {
      models: this.#models,
      sink: this.#recorder,
      server: this.#control(),
      settings,
      audit,
      shadow: (shadow: Shadow) => this.#supervisor.call('shadow', shadow).catch(() => {}),
      pictures: picturesFor(models),
      isTraced: this.#tracer !== undefined,
    };
    const context = {
      dataPlane: new DataPlane(parts),
      settings,
      meter: new RequestMeter(this.#metrics, log, settings.accessLog, this.#tracer),
      log,
      audit,
      access: await Access.open(settings, audit, log),
      limiter: new RateLimiter((callerId, wanted, limits) =>
        this.#supervisor.call('lease', { callerId, wanted, limits }),
      ),
      limits: new BodyLimits(settings.maxBodyBytes),
      forward: (request: StoredRequest) => this.#supervisor.call('forward', request),
      history: () => this.#supervisor.call('history', undefined),
    };
    await rehearse(context, { ...parts, models }).then(
      (answered) => log.debug({ answered }, 'rehearsed'),
      (error: Error) => log.debug({ err: error }, 'the rehearsal failed'),
    );
    this.#metrics.forget();
    this.#servers.rest = await RestServer.open(context);
    this.#servers.grpc = await GrpcServer.open(context);
    sweepStart();
  }

  #control(): ServerControl {
    return {
      statistics: async () => statisticsOf(await this.#supervisor.call('totals', undefined)),
      repository: () => this.#supervisor.call('repository', undefined),
      submit: (request) => this.#supervisor.call('submit', request),
      later: (call, id, callerId) => this.#supervisor.call('later', { call, id, callerId }),
      configure: (models) => this.#supervisor.call('configure', models),
      reload: () => this.#supervisor.call('reload', undefined),
      control: (action, model) => this.#supervisor.call('control', { action, model }),
      isLeaving: () => this.#leaving,
      failures: (name) =>
        new Map(
          this.#failures
            .filter(({ model }) => model === name)
            .map(({ version, message }) => [version, message]),
        ),
    };
  }

  async drain(idleMs: number): Promise<void> {
    const { rest, grpc } = this.#servers;
    rest?.letIdleGo(idleMs);
    if (this.#draining) return;
    this.#draining = true;
    await Promise.all([rest?.drained(), grpc?.drain()]);
    this.#recorder?.flush();
    await this.#tracer?.close();
    // Sent last and waited for: the totals of a worker that is gone still count.
    const metrics = snapshotWithProcess(this.#metrics, 'worker');
    process.send?.({ type: 'totals', metrics } satisfies FromWorker, () => process.exit(0));
  }

  #accept(listener: 'rest' | 'grpc', socket: Socket): void {
    const server = this.#servers[listener];
    const onGone = server && this.#connections.admit(socket);
    if (onGone !== undefined) server?.accept(socket, onGone);
  }

  /** Takes it, unread, where no other worker has it: a process may be stopped between any two of these lines. */
  #take({ id, listener, untilMs }: Extract<ToWorker, { type: 'connection' }>, socket?: Socket): void {
    if (machineMs() >= untilMs) {
      socket?.destroy();
      send({ type: 'declined', id });
      return;
    }
    // Said before anything is read: until then the supervisor may give it to another.
    send({ type: 'taken', id });
    if (machineMs() >= untilMs) socket?.destroy();
    else if (socket !== undefined) this.#accept(listener, socket);
  }

  receive(message: ToWorker, socket: Socket | undefined): void {
    switch (message.type) {
      case 'start':
        this.start(message).catch((error: Error) => send(failureOf(error)));
        break;
      case 'connection':
        this.#take(message, socket);
        break;
      case 'failures':
        this.#failures = message.failures;
        break;
      case 'leaving':
        this.#leaving = true;
        break;
      case 'removed':
        this.#remove(message.removed);
        break;
      case 'drain':
        void this.drain(message.idleMs);
        break;
      default:
        this.#supervisor.receive(message);
    }
  }
}

/**
 * What the start leaves behind fills half of the young generation, and stays: swept at the first request that finds no room, it would
 * cost that one 40 ms and more. What has been swept twice is old.
 */
function sweepStart(): void {
  for (let time = 0; time < 2; time++) globalThis.gc?.({ type: 'minor' });
}

/** What only a canary's process is asked. */
function notHere(): never {
  throw new ServingError('SERVING_NOT_READY', 'No canary runs here');
}

/** Its thread is there before the first picture, where a model takes any. */
function picturesFor(models: readonly LoadedModel[]): PictureReader {
  const pictures = new PictureReader();
  const takesPictures = models.some(({ versions }) =>
    [...versions.values()].some(({ processor }) => processor?.takesPictures),
  );
  if (takesPictures) pictures.start();
  return pictures;
}

const worker = new Worker();
process.on('message', (message, socket) => worker.receive(message as ToWorker, socket as Socket | undefined));
// The supervisor decides when a worker ends: a Ctrl-C reaches the whole group. Without a supervisor there is nothing to do.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
