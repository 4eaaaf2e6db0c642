import type { Phases } from '../tracing/phases.ts';
import type { TensorValue } from './tensor.ts';

/** Tells whether the caller still waits; an AbortSignal is one. */
export interface Cancellation {
  readonly aborted: boolean;
}

/** Runs requests of one version, in this process or in another. */
export interface Runner {
  /**
   * @param inputs in signature order, batch first; every input has the same number of rows
   * @param deadlineMs on `performance.now()`'s clock
   * @param phases is filled in with when it ran, where it runs here
   * @throws ServingError SERVING_OVERLOADED, SERVING_DEADLINE, SERVING_CANCELLED, SERVING_INFERENCE_FAILED, SERVING_NOT_READY
   */
  run(
    inputs: readonly TensorValue[],
    rows: number,
    deadlineMs: number,
    signal: Cancellation | undefined,
    phases?: Phases,
  ): Promise<readonly TensorValue[]>;
}
