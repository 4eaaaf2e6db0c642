import type { ServedModel } from './contract/index.ts';
import type { LaterAnswer, LaterCall, LaterRequest, LaterState } from './later.ts';

/** What one version of a model is doing; TensorFlow Serving's states. */
export interface VersionStatus {
  readonly version: number;
  readonly state: 'START' | 'LOADING' | 'AVAILABLE' | 'UNLOADING' | 'END';
  readonly message: string;
}

/** Durations of one kind, added up. */
export interface DurationTotal {
  readonly count: number;
  readonly seconds: number;
}

/** What a version has done since the server started, over all workers. */
export interface VersionStatistics {
  readonly model: string;
  readonly version: number;
  /** Rows answered, and runs of the model that it took. */
  readonly rows: number;
  readonly runs: number;
  /** Requests answered, and requests refused or failed. */
  readonly success: DurationTotal;
  readonly fail: DurationTotal;
  readonly queue: DurationTotal;
  readonly infer: DurationTotal;
}

/** A version in the repository, loaded or not. */
export interface RepositoryEntry {
  readonly name: string;
  /** Empty where no version is loaded. */
  readonly version: string;
  readonly ready: boolean;
  readonly reason: string;
}

/** What only the whole server can tell or do, not one worker. */
export interface ServerControl {
  /** Whether it was told to end: it answers on, and whoever asks whether it is ready should send elsewhere. */
  isLeaving(): boolean;
  statistics(): Promise<readonly VersionStatistics[]>;
  /** Names of the repository's models, loaded or not. */
  repository(): Promise<readonly string[]>;
  /** Resolves when the model answers, or answers no more. @throws ServingError SERVING_FORBIDDEN unless `modelControl` is set */
  control(action: 'load' | 'unload', model: string): Promise<void>;
  /** Serves exactly these. @throws ServingError SERVING_FORBIDDEN unless `modelControl` is set */
  configure(models: readonly ServedModel[]): Promise<void>;
  /** Looks at the repository again: whether anything is new. @throws ServingError SERVING_LOAD_FAILED, SERVING_STORE_UNAVAILABLE */
  reload(): Promise<boolean>;
  /** Resolves when the request is committed. @throws ServingError SERVING_UNIMPLEMENTED, SERVING_OVERLOADED */
  submit(request: LaterRequest): Promise<LaterState>;
  /** @throws ServingError SERVING_REQUEST_NOT_FOUND, SERVING_NO_RESULT */
  later(call: LaterCall, id: string, callerId: string): Promise<LaterState | LaterAnswer>;
  /** Versions of a model that were asked for later than those that serve, and did not load: with why. */
  failures(model: string): ReadonlyMap<number, string>;
}
