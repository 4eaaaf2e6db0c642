import type { Cancellation, Runner } from '../engine/runner.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError } from '../errors.ts';
import type { CanaryRequest, Shadow } from './calls.ts';
import type { Traffic } from './traffic.ts';

/** How the process that runs canaries is reached. */
export interface CanaryCalls {
  ask(request: CanaryRequest): Promise<readonly TensorValue[]>;
  /** Resolves when the canary has answered too; never fails. */
  shadow(shadow: Shadow): Promise<void>;
}

/** An answer of `stable` that nobody waits for is given up after so long. */
const doubtMs = 10_000;

/** Runs the canary of a model in the process that is there for it. */
export class RemoteRunner implements Runner {
  readonly #model: string;
  readonly #stable: Runner;
  readonly #traffic: Traffic;
  readonly #calls: CanaryCalls;

  constructor(model: string, stable: Runner, traffic: Traffic, calls: CanaryCalls) {
    this.#model = model;
    this.#stable = stable;
    this.#traffic = traffic;
    this.#calls = calls;
  }

  async run(
    inputs: readonly TensorValue[],
    rows: number,
    deadlineMs: number,
    signal: Cancellation | undefined,
  ): Promise<readonly TensorValue[]> {
    if (signal?.aborted === true) {
      throw new ServingError('SERVING_CANCELLED', 'The client closed the connection');
    }
    const patienceMs = Math.max(1, deadlineMs - performance.now());
    // Half, for some of it may be gone when the request gets here.
    const isPatient = patienceMs >= this.#traffic.patienceMs / 2;
    try {
      return await this.#calls.ask({ model: this.#model, inputs, rows, patienceMs, isPatient });
    } catch (error) {
      if ((error as ServingError).code === 'SERVING_INFERENCE_FAILED') void this.#doubt(inputs, rows);
      throw error;
    }
  }

  /** What stable cannot answer either is the request's fault; else the canary is asked again, as for any other comparison. */
  async #doubt(inputs: readonly TensorValue[], rows: number): Promise<void> {
    if (!this.#traffic.takeFailure()) return;
    const startedMs = performance.now();
    const model = this.#model;
    await this.#stable
      .run(inputs, rows, startedMs + doubtMs, undefined)
      .then((outputs) =>
        this.#calls.shadow({ model, inputs, rows, outputs, stableMs: performance.now() - startedMs }),
      )
      .catch(() => {});
    this.#traffic.compared();
  }
}
