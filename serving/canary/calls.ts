import type { TensorValue } from '../engine/tensor.ts';

/** A request for the canary, on its way to the process that runs it. */
export interface CanaryRequest {
  readonly model: string;
  readonly inputs: readonly TensorValue[];
  readonly rows: number;
  /** How long its sender waits. */
  readonly patienceMs: number;
  /** Whether that is long enough for an answer that does not come to be the canary's fault. */
  readonly isPatient: boolean;
}

/** What `stable` answered, to be compared with what the canary says. */
export interface Shadow {
  readonly model: string;
  readonly inputs: readonly TensorValue[];
  readonly rows: number;
  readonly outputs: readonly TensorValue[];
  readonly stableMs: number;
}

export interface Comparison {
  readonly isSame: boolean;
  readonly canaryMs: number;
}

/** A version that was taken out by itself. */
export interface RemovedVersion {
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly message: string;
}
