import type { Cancellation, Runner } from '../engine/runner.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError } from '../errors.ts';
import type { CanaryRequest } from './calls.ts';

/** Runs the canary of a model in the process that is there for it. */
export class RemoteRunner implements Runner {
  readonly #model: string;
  readonly #ask: (request: CanaryRequest) => Promise<readonly TensorValue[]>;

  constructor(model: string, ask: (request: CanaryRequest) => Promise<readonly TensorValue[]>) {
    this.#model = model;
    this.#ask = ask;
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
    return this.#ask({ model: this.#model, inputs, rows, patienceMs });
  }
}
