import { isAgreed } from './canary/agreement.ts';
import type { CanaryRequest, Comparison, Shadow } from './canary/calls.ts';
import type { Canary } from './contract/index.ts';
import type { Servable } from './engine/servable.ts';
import type { TensorValue } from './engine/tensor.ts';
import { ServingError } from './errors.ts';
import { snapshotWithProcess } from './monitoring/process-metrics.ts';
import { Metrics } from './monitoring/registry.ts';
import { canaryOf } from './repository/chosen.ts';
import { loadVersion } from './repository/load.ts';
import { Channel } from './supervisor/channel.ts';
import {
  type FromWorker,
  failureOf,
  type SupervisorCalls,
  type ToWorker,
  type WorkerCalls,
  type WorkerStart,
} from './supervisor/messages.ts';

const send = (message: FromWorker): void => {
  process.send?.(message);
};

interface Tried {
  readonly servable: Servable;
  readonly tolerance: number;
}

function answersNone(): never {
  throw new ServingError('SERVING_NOT_READY', 'This process answers no requests');
}

/** A process for a version that is tried: what it does wrong ends nothing else. */
class CanaryWorker {
  readonly #metrics = new Metrics();
  readonly #supervisor = new Channel<SupervisorCalls, WorkerCalls>(send, {
    flush: () => {},
    metrics: () => snapshotWithProcess(this.#metrics, 'worker'),
    run: answersNone,
    runFor: answersNone,
    canary: (request) => this.#run(request),
    compare: (shadow) => this.#compare(shadow),
  });
  readonly #tried = new Map<string, Tried>();

  async start({ settings, models, threads }: WorkerStart): Promise<void> {
    for (const model of models) {
      for (const version of model.versions.filter((each) => each.version === canaryOf(model))) {
        const servable = await loadVersion(model.name, version, {
          settings,
          threads,
          metrics: this.#metrics,
        });
        this.#tried.set(model.name, { servable, tolerance: (model.canary as Canary).tolerance });
      }
    }
    send({ type: 'ready', models: [] });
  }

  #of(model: string): Tried {
    const tried = this.#tried.get(model);
    if (tried !== undefined) return tried;
    throw new ServingError('SERVING_NOT_READY', `Model ${model} has no canary here`);
  }

  #run({ model, inputs, rows, patienceMs }: CanaryRequest): Promise<readonly TensorValue[]> {
    return this.#of(model).servable.runner.run(inputs, rows, performance.now() + patienceMs, undefined);
  }

  async #compare({ model, inputs, rows, outputs }: Shadow): Promise<Comparison> {
    const { servable, tolerance } = this.#of(model);
    const startedMs = performance.now();
    const actual = await servable.runner.run(inputs, rows, Number.POSITIVE_INFINITY, undefined);
    return { isSame: isAgreed(outputs, actual, tolerance), canaryMs: performance.now() - startedMs };
  }

  /** What it counted still counts. */
  end(): void {
    const metrics = snapshotWithProcess(this.#metrics, 'worker');
    process.send?.({ type: 'totals', metrics } satisfies FromWorker, () => process.exit(0));
  }

  receive(message: ToWorker): void {
    switch (message.type) {
      case 'start':
        this.start(message).catch((error: Error) => send(failureOf(error)));
        break;
      case 'drain':
        this.end();
        break;
      case 'call':
      case 'result':
        this.#supervisor.receive(message);
    }
  }
}

const worker = new CanaryWorker();
process.on('message', (message) => worker.receive(message as ToWorker));
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
