import type { CanaryRequest, Comparison, RemovedVersion, Shadow } from '../canary/calls.ts';
import type { ServedModel, ServingSettings } from '../contract/index.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError, type ServingErrorCode } from '../errors.ts';
import type { GivenFeedback } from '../feedback/misfit.ts';
import type { WrittenPrediction } from '../feedback/written-prediction.ts';
import type { LaterAnswer, LaterCall, LaterRequest, LaterState } from '../later.ts';
import type { MetricsSnapshot } from '../monitoring/registry.ts';
import type { ChosenModel } from '../repository/chosen.ts';
import { VersionRefused } from '../repository/version.ts';
import type { Limits } from '../security/caller.ts';
import type { Lease } from '../security/rate-limiter.ts';
import type { StoredRequest, StoredResponse } from '../stored.ts';
import type { CallMessage } from './channel.ts';

/** A version of a model that did not load, with why. */
export interface LoadFailure {
  readonly model: string;
  readonly version: number;
  readonly message: string;
}

/** What one worker has loaded, for /state. */
export interface LoadedVersions {
  readonly name: string;
  readonly versions: readonly { readonly version: number; readonly digest: string }[];
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly settings: ServingSettings;
  /** What the settings ask for, the same in each worker, also in one that is started later. */
  readonly models: readonly ChosenModel[];
  /** Canaries that were taken out. */
  readonly removed: readonly RemovedVersion[];
  /** For each session. */
  readonly threads: number;
}

/** What a process is there for: to answer requests, or to run what is tried. */
export type WorkerRole = 'front' | 'canary';

/** What workers ask the supervisor. */
export type SupervisorCalls = {
  /** Resolves when the feedback and its prediction are committed. */
  feedback(said: GivenFeedback): { feedbackId: string };
  /** Throughput and latency of the last minutes. */
  history(args: undefined): unknown;
  totals(args: undefined): MetricsSnapshot;
  /** Names of the repository's models. */
  repository(args: undefined): string[];
  control(args: { readonly action: 'load' | 'unload'; readonly model: string }): void;
  /** Serves exactly these models. */
  configure(args: readonly ServedModel[]): void;
  /** Runs the canary of a model. */
  canary(args: CanaryRequest): readonly TensorValue[];
  /** Lets the canary of a model answer too; resolves when that is over. */
  shadow(args: Shadow): void;
  /** Looks at the repository again; whether anything is new. */
  reload(args: undefined): boolean;
  submit(args: LaterRequest): LaterState;
  later(args: {
    readonly call: LaterCall;
    readonly id: string;
    readonly callerId: string;
  }): LaterState | LaterAnswer;
  /** Lets a worker that serves now answer what came to one that has been replaced. */
  forward(args: StoredRequest): StoredResponse;
  lease(args: { readonly callerId: string; readonly wanted: number; readonly limits: Limits }): Lease;
};

/** What the supervisor asks a worker. */
export type WorkerCalls = {
  /** Resolves when every answer up to now has been handed over. */
  flush(args: undefined): void;
  metrics(args: undefined): MetricsSnapshot;
  /** Answers a request that came another way. */
  run(args: StoredRequest): StoredResponse;
  /** The same on behalf of somebody who was let in when it was submitted. */
  runFor(args: {
    readonly request: StoredRequest;
    readonly callerId: string;
    readonly model: string;
  }): StoredResponse;
  /** Of a canary's process only. */
  canary(args: CanaryRequest): readonly TensorValue[];
  compare(args: Shadow): Comparison;
};

/** To a worker; `connection` travels with the socket. */
export type ToWorker =
  | CallMessage
  | ({ readonly type: 'start' } & WorkerStart)
  /** `untilMs`, on the machine's clock: who comes to it later declines it, for another may have it. */
  | {
      readonly type: 'connection';
      readonly id: number;
      readonly listener: 'rest' | 'grpc';
      readonly untilMs: number;
    }
  /** What could not be loaded in place of what serves; for the status. */
  | { readonly type: 'failures'; readonly failures: readonly LoadFailure[] }
  | { readonly type: 'removed'; readonly removed: readonly RemovedVersion[] }
  /** The server was told to end: readiness is off, and requests are taken on until `drain`. */
  | { readonly type: 'leaving' }
  /** `idleMs`: how long a client may still use a connection on which nothing is asked. */
  | { readonly type: 'drain'; readonly idleMs: number };

/** From a worker. */
export type FromWorker =
  | CallMessage
  | { readonly type: 'ready'; readonly models: readonly LoadedVersions[] }
  | {
      readonly type: 'failed';
      readonly code: ServingErrorCode;
      readonly message: string;
      readonly failures: readonly LoadFailure[];
    }
  /** The connection is here; nothing has been read from it yet. */
  | { readonly type: 'taken'; readonly id: number }
  /** It came too late; nothing has been read from it. */
  | { readonly type: 'declined'; readonly id: number }
  | { readonly type: 'predictions'; readonly records: readonly WrittenPrediction[] }
  /** The last that it says: what it counted. */
  | { readonly type: 'totals'; readonly metrics: MetricsSnapshot };

/** What a worker says that cannot load. */
export function failureOf(error: Error): FromWorker {
  const refused = error instanceof VersionRefused ? error : undefined;
  return {
    type: 'failed',
    code: error instanceof ServingError ? error.code : 'SERVING_LOAD_FAILED',
    message: error.message,
    failures:
      refused === undefined
        ? []
        : [{ model: refused.model, version: refused.version, message: refused.message }],
  };
}
