import type { Socket } from 'node:net';
import type { FeedbackRequest, ServedModel, ServingSettings } from './contract/index.ts';
import { DataPlane, type LoadedModel, type ServerControl } from './dataplane.ts';
import type { BatchReport } from './engine/batcher.ts';
import { loadServable, type Servable } from './engine/servable.ts';
import { ServingError } from './errors.ts';
import { PredictionRecorder } from './feedback/recorder.ts';
import { GrpcServer } from './grpc-server.ts';
import { createLog } from './log.ts';
import { Metrics, type MetricsSnapshot } from './monitoring/registry.ts';
import { RequestMeter } from './monitoring/request-meter.ts';
import { statisticsOf } from './monitoring/statistics.ts';
import { chooseVersions, listModels, listVersions, openVersion } from './repository/local.ts';
import { RestServer } from './rest-server.ts';
import type { FromWorker, ToWorker } from './supervisor/messages.ts';

/** How long a client that was about to send on an idle connection may still do so when the worker drains. */
const idleGraceMs = 1_000;

const send = (message: FromWorker): void => {
  process.send?.(message);
};

/** Answers of the supervisor, by the id of the question. */
class Questions {
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 1;

  ask<T>(message: (id: number) => FromWorker): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      send(message(id));
    });
  }

  settle(id: number, value: unknown, error?: Error): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(error);
  }
}

async function modelsToServe(settings: ServingSettings): Promise<ServedModel[]> {
  if (settings.models !== undefined) return settings.models;
  const names = await listModels(settings.modelRoot);
  return names.map((name) => ({ name, versionPolicy: { latest: 1 }, versionLabels: {} }));
}

function batchMeter(metrics: Metrics, model: string, version: number): (report: BatchReport) => void {
  const labels = { model, version };
  const phase = (name: string) =>
    metrics.distribution('modelmile_phase_duration_seconds', { ...labels, phase: name });
  const [queue, batch, infer] = [phase('queue'), phase('batch'), phase('infer')];
  const batches = metrics.count('modelmile_batches_total', labels);
  const batchRows = metrics.count('modelmile_batch_rows_total', labels);
  return ({ rows, queueSeconds, batchSeconds, inferSeconds }) => {
    batches.add();
    batchRows.add(rows);
    queue.observe(queueSeconds);
    batch.observe(batchSeconds);
    infer.observe(inferSeconds);
  };
}

async function loadModel(model: ServedModel, settings: ServingSettings, threads: number, metrics: Metrics) {
  const versions = new Map<number, Servable>();
  const chosen = chooseVersions(await listVersions(settings.modelRoot, model.name), model);
  if (chosen.length === 0) {
    throw new ServingError(
      'SERVING_LOAD_FAILED',
      `${settings.modelRoot} has no version of model ${model.name}`,
    );
  }
  for (const number of chosen) {
    const version = await openVersion(settings.modelRoot, model.name, number);
    const onBatch = batchMeter(metrics, model.name, number);
    versions.set(number, await loadServable(version, settings, threads, onBatch));
  }
  const loaded: LoadedModel = {
    name: model.name,
    versions,
    latest: [...versions.values()].at(-1),
    labels: model.versionLabels,
    failures: new Map(),
  };
  return loaded;
}

/** One worker process: its own sessions, the protocols, and no port of its own. */
class Worker {
  readonly #questions = new Questions();
  readonly #metrics = new Metrics();
  readonly #servers: { rest?: RestServer; grpc?: GrpcServer } = {};
  #recorder: PredictionRecorder | undefined;

  async start(settings: ServingSettings, threads: number): Promise<void> {
    const models: LoadedModel[] = [];
    for (const model of await modelsToServe(settings)) {
      models.push(await loadModel(model, settings, threads, this.#metrics));
    }
    this.#recorder = new PredictionRecorder(
      settings,
      {
        predictions: (records) => send({ type: 'predictions', records }),
        feedback: (model: string, request: FeedbackRequest) =>
          this.#questions.ask((id) => ({ type: 'feedback', id, model, request })),
      },
      this.#metrics,
    );
    const log = createLog(settings.logLevel, 'worker');
    const context = {
      dataPlane: new DataPlane({ models, sink: this.#recorder, server: this.#control(settings), settings }),
      settings,
      meter: new RequestMeter(this.#metrics, log),
      log,
      consoleStats: () => this.#questions.ask((id) => ({ type: 'console-stats', id })),
    };
    this.#servers.rest = new RestServer(context);
    this.#servers.grpc = new GrpcServer(context);
    send({
      type: 'ready',
      models: models.map(({ name, versions }) => ({
        name,
        versions: [...versions.values()].map(({ version, digest }) => ({ version, digest })),
      })),
    });
  }

  #control(settings: ServingSettings): ServerControl {
    return {
      statistics: async () =>
        statisticsOf(await this.#questions.ask<MetricsSnapshot>((id) => ({ type: 'totals', id }))),
      repository: () => listModels(settings.modelRoot),
      control: (action, model) => this.#questions.ask((id) => ({ type: 'control', id, action, model })),
    };
  }

  async drain(): Promise<void> {
    await Promise.all([this.#servers.rest?.drain(idleGraceMs), this.#servers.grpc?.drain()]);
    this.#recorder?.flush();
    const metrics = this.#metrics.snapshot();
    // Sent last and waited for: the totals of a worker that is gone still count.
    process.send?.({ type: 'metrics', id: 0, metrics } satisfies FromWorker, () => process.exit(0));
  }

  readonly #on: {
    [T in ToWorker['type']]: (message: Extract<ToWorker, { type: T }>, socket?: Socket) => void;
  } = {
    start: ({ settings, threads }) => {
      this.start(settings, threads).catch((error: Error) => {
        const code = error instanceof ServingError ? error.code : 'SERVING_LOAD_FAILED';
        send({ type: 'failed', code, message: error.message });
      });
    },
    connection: ({ listener, id }, socket) => {
      send({ type: 'taken', id });
      if (socket !== undefined) this.#servers[listener]?.accept(socket);
    },
    drain: () => void this.drain(),
    flush: ({ id }) => {
      this.#recorder?.flush();
      send({ type: 'flushed', id });
    },
    metrics: ({ id }) => send({ type: 'metrics', id, metrics: this.#metrics.snapshot() }),
    'feedback-stored': ({ id, feedbackId }) => this.#questions.settle(id, { feedbackId }),
    'feedback-refused': ({ id, code, message }) =>
      this.#questions.settle(id, undefined, new ServingError(code, message)),
    'console-stats': ({ id, stats }) => this.#questions.settle(id, stats),
    totals: ({ id, metrics }) => this.#questions.settle(id, metrics),
    controlled: ({ id, refusal }) =>
      this.#questions.settle(id, undefined, refusal && new ServingError(refusal.code, refusal.message)),
  };

  receive(message: ToWorker, socket: Socket | undefined): void {
    (this.#on[message.type] as (message: ToWorker, socket?: Socket) => void)(message, socket);
  }
}

const worker = new Worker();
process.on('message', (message, socket) => worker.receive(message as ToWorker, socket as Socket | undefined));
// The supervisor decides when a worker ends: a Ctrl-C reaches the whole group. Without a supervisor there is nothing to do.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
