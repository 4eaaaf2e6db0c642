import { uuidv7 } from 'uuidv7';
import type { FeedbackRequest, ServingSettings } from './contract/index.ts';
import type { Servable } from './engine/servable.ts';
import { countOf, fits, type TensorValue } from './engine/tensor.ts';
import { ServingError } from './errors.ts';
import { exampleRow } from './example.ts';

/** What one version of a model is doing; TensorFlow Serving's states. */
export interface VersionStatus {
  readonly version: number;
  readonly state: 'START' | 'LOADING' | 'AVAILABLE' | 'UNLOADING' | 'END';
  readonly message: string;
}

/** Which version of a model a request means: a number, a label, or neither for the latest. */
export interface Target {
  readonly model: string;
  readonly version?: number | undefined;
  readonly label?: string | undefined;
}

export interface InferenceOptions {
  /** Outputs wanted, in this order; all where left out. */
  readonly outputs?: readonly string[] | undefined;
  /** On `performance.now()`'s clock; the settings' requestTimeoutMs from now where left out. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Inference {
  /** UUIDv7 for the header x-modelmile-prediction-id. */
  readonly predictionId: string;
  readonly servable: Servable;
  readonly outputs: readonly TensorValue[];
  readonly rows: number;
}

/** What the data plane hands on after it answered, off the hot path. */
export interface PredictionSink {
  record(inference: Inference, inputs: readonly TensorValue[]): void;
  /** Resolves when the feedback and its prediction are committed. @throws ServingError SERVING_PREDICTION_NOT_FOUND */
  feedback(model: string, feedback: FeedbackRequest): Promise<{ feedbackId: string }>;
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
  statistics(): Promise<readonly VersionStatistics[]>;
  /** Names of the repository's models, loaded or not. */
  repository(): Promise<readonly string[]>;
  /** Resolves when the model answers, or answers no more. @throws ServingError SERVING_FORBIDDEN unless `modelControl` is set */
  control(action: 'load' | 'unload', model: string): Promise<void>;
}

/** A loaded model: its versions, ascending, and the labels on them. */
export interface LoadedModel {
  readonly name: string;
  readonly versions: ReadonlyMap<number, Servable>;
  readonly labels: Readonly<Record<string, number>>;
  /** Versions that were asked for and did not load, with why. */
  readonly failures: ReadonlyMap<number, string>;
}

/** What every protocol calls: look-up, validation, inference, status and feedback. It knows no wire format. */
export class DataPlane {
  readonly #models: ReadonlyMap<string, LoadedModel>;
  readonly #sink: PredictionSink;
  readonly #requestTimeoutMs: number;
  /** What JSON does with NaN and Infinity. */
  readonly nonFinite: ServingSettings['nonFinite'];
  readonly #server: ServerControl;

  constructor(
    models: readonly LoadedModel[],
    sink: PredictionSink,
    server: ServerControl,
    { requestTimeoutMs, nonFinite }: Pick<ServingSettings, 'requestTimeoutMs' | 'nonFinite'>,
  ) {
    this.#models = new Map(models.map((model) => [model.name, model]));
    this.#sink = sink;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.nonFinite = nonFinite;
    this.#server = server;
  }

  modelNames(): string[] {
    return [...this.#models.keys()];
  }

  /** @throws ServingError SERVING_MODEL_NOT_FOUND */
  model(name: string): LoadedModel {
    const model = this.#models.get(name);
    if (model !== undefined) return model;
    throw new ServingError('SERVING_MODEL_NOT_FOUND', `Servable not found for request: Latest(${name})`);
  }

  /**
   * The version that a request means.
   * @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_VERSION_NOT_FOUND, SERVING_BAD_LABEL
   */
  find({ model: name, version, label }: Target): Servable {
    const model = this.model(name);
    if (label !== undefined) {
      const labelled = model.versions.get(model.labels[label] ?? -1);
      if (labelled !== undefined) return labelled;
      throw new ServingError('SERVING_BAD_LABEL', `Unrecognized servable version label: ${label}`);
    }
    if (version !== undefined) {
      const exact = model.versions.get(version);
      if (exact !== undefined) return exact;
      throw new ServingError(
        'SERVING_VERSION_NOT_FOUND',
        `Servable not found for request: Specific(${name}, ${version})`,
      );
    }
    const latest = [...model.versions.values()].at(-1);
    if (latest !== undefined) return latest;
    throw new ServingError('SERVING_NOT_READY', `Model ${name} has no version that is loaded`);
  }

  /** @throws ServingError SERVING_MODEL_NOT_FOUND */
  status(name: string): VersionStatus[] {
    const model = this.#models.get(name);
    if (model === undefined) {
      throw new ServingError('SERVING_MODEL_NOT_FOUND', `Could not find any versions of model ${name}`);
    }
    const available = [...model.versions.keys()].map(
      (version): VersionStatus => ({ version, state: 'AVAILABLE', message: '' }),
    );
    const failed = [...model.failures].map(
      ([version, message]): VersionStatus => ({ version, state: 'END', message }),
    );
    return [...available, ...failed].sort((a, b) => b.version - a.version);
  }

  /**
   * Runs a request. `inputs` may be in any order; they are checked against the signature.
   * @throws ServingError SERVING_BAD_INPUT naming the input, what was expected, what came, and a request that works;
   *   SERVING_OVERLOADED, SERVING_DEADLINE, SERVING_CANCELLED, SERVING_INFERENCE_FAILED
   */
  async infer(
    servable: Servable,
    inputs: readonly TensorValue[],
    options: InferenceOptions = {},
  ): Promise<Inference> {
    const ordered = orderedInputs(servable, inputs);
    const rows = rowsOf(servable, ordered);
    const wanted = options.outputs === undefined ? undefined : wantedOutputs(servable, options.outputs);
    const deadlineMs = options.deadlineMs ?? performance.now() + this.#requestTimeoutMs;
    const outputs = await servable.batcher.run(ordered, rows, deadlineMs, options.signal);
    const chosen = wanted === undefined ? outputs : wanted.map((index) => outputs[index] as TensorValue);
    const inference: Inference = { predictionId: uuidv7(), servable, outputs: chosen, rows };
    this.#sink.record(inference, ordered);
    return inference;
  }

  /**
   * What a version, all versions of a model, or everything has done.
   * @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_VERSION_NOT_FOUND
   */
  async statistics(target?: Target): Promise<readonly VersionStatistics[]> {
    const version = target?.version === undefined ? undefined : this.find(target).version;
    if (target !== undefined) this.model(target.model);
    const all = await this.#server.statistics();
    return all.filter(
      (each) =>
        (target === undefined || each.model === target.model) &&
        (version === undefined || each.version === version),
    );
  }

  /** Every model of the repository: its versions, or an entry without one where it is not loaded. */
  async repository(): Promise<RepositoryEntry[]> {
    const loaded = this.modelNames().flatMap((name) =>
      this.status(name).map(({ version, state, message }) => ({
        name,
        version: String(version),
        ready: state === 'AVAILABLE',
        reason: message,
      })),
    );
    const idle = (await this.#server.repository()).filter((name) => !this.#models.has(name));
    return [...loaded, ...idle.map((name) => ({ name, version: '', ready: false, reason: 'not loaded' }))];
  }

  /** Resolves when the model answers. @throws ServingError SERVING_FORBIDDEN, SERVING_LOAD_FAILED */
  load(model: string): Promise<void> {
    return this.#server.control('load', model);
  }

  /** Resolves when the model answers no more. @throws ServingError SERVING_FORBIDDEN, SERVING_MODEL_NOT_FOUND */
  async unload(model: string): Promise<void> {
    this.model(model);
    await this.#server.control('unload', model);
  }

  /** @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_PREDICTION_NOT_FOUND, SERVING_FEEDBACK_UNAVAILABLE */
  feedback(name: string, feedback: FeedbackRequest): Promise<{ feedbackId: string }> {
    this.model(name);
    return this.#sink.feedback(name, feedback);
  }
}

/** The inputs in the signature's order, each with the type and shape that it asks for. */
function orderedInputs(servable: Servable, inputs: readonly TensorValue[]): readonly TensorValue[] {
  const { signature } = servable;
  const byName = new Map(inputs.map((input) => [input.name, input]));
  for (const { name } of inputs) {
    if (signature.inputs.some((spec) => spec.name === name)) continue;
    const known = signature.inputs.map((spec) => `'${spec.name}'`).join(', ');
    throw badInput(servable, `There is no input '${name}'; the model takes ${known}`);
  }
  return signature.inputs.map((spec) => {
    const input = byName.get(spec.name);
    if (input === undefined) throw badInput(servable, `Input '${spec.name}' is missing`);
    if (input.dtype !== spec.dtype) {
      throw badInput(servable, `Input '${spec.name}': expected type ${spec.dtype}, got ${input.dtype}`);
    }
    if (!fits(spec, input.shape) || countOf(input.shape) !== input.data.length) {
      throw badInput(
        servable,
        `Input '${spec.name}': expected shape [${spec.shape}], got [${input.shape}] with ${input.data.length} values`,
      );
    }
    return input;
  });
}

function rowsOf(servable: Servable, inputs: readonly TensorValue[]): number {
  const first = inputs[0] as TensorValue;
  const rows = first.shape[0] ?? 1;
  if (!servable.batchable) return Math.max(rows, 1);
  const other = inputs.find((input) => input.shape[0] !== rows);
  if (other !== undefined) {
    throw badInput(
      servable,
      `Input '${first.name}' has ${rows} rows and input '${other.name}' has ${other.shape[0]}: they must be equal`,
    );
  }
  if (rows === 0) throw badInput(servable, 'There are no rows');
  return rows;
}

function wantedOutputs({ signature }: Servable, names: readonly string[]): number[] {
  return names.map((name) => {
    const index = signature.outputs.findIndex((spec) => spec.name === name);
    if (index >= 0) return index;
    const known = signature.outputs.map((spec) => `'${spec.name}'`).join(', ');
    throw new ServingError('SERVING_BAD_INPUT', `There is no output '${name}'; the model gives ${known}`);
  });
}

/** A refusal of an input, with a body for `:predict` that the same model answers. */
export function badInput(servable: Servable, message: string): ServingError {
  return new ServingError('SERVING_BAD_INPUT', message, JSON.stringify(exampleRow(servable.signature)));
}
