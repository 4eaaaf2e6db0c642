import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { Shadow } from './canary/calls.ts';
import type { Traffic } from './canary/traffic.ts';
import { chooserOf } from './chosen-outputs.ts';
import type { FeedbackRequest, ServedModel, ServingSettings } from './contract/index.ts';
import type { Cancellation } from './engine/runner.ts';
import type { Servable } from './engine/servable.ts';
import type { TensorValue } from './engine/tensor.ts';
import { ServingError } from './errors.ts';
import { misfitsOf } from './feedback/misfit.ts';
import type { Inference, InferenceOptions, PredictionSink } from './inference.ts';
import type { LaterAnswer, LaterCall, LaterState } from './later.ts';
import { findVersion, type LoadedModel, statusOf, type Target } from './models.ts';
import { newPredictionId } from './prediction-id.ts';
import { ProcessingFault } from './processing/fault.ts';
import type { PictureReader } from './processing/pictures/reader.ts';
import type { Prepared, Processor } from './processing/processor.ts';
import type { Audit } from './security/audit.ts';
import type { Caller, Permission } from './security/caller.ts';
import type { RepositoryEntry, ServerControl, VersionStatistics, VersionStatus } from './server-control.ts';
import type { StoredRequest } from './stored.ts';
import { noPhases, type Phases } from './tracing/phases.ts';
import { badInput, orderedInputs, rowsOf } from './validation.ts';

/** What all requests of a worker share. */
export interface DataPlaneParts {
  readonly models: readonly LoadedModel[];
  readonly sink: PredictionSink;
  readonly server: ServerControl;
  readonly settings: Pick<
    ServingSettings,
    'requestTimeoutMs' | 'nonFinite' | 'maxImagePixels' | 'asyncRequests' | 'tls'
  >;
  readonly pictures: PictureReader;
  /** Whether anybody asks when the engine did what. */
  readonly isTraced: boolean;
  readonly audit: Audit;
  /** Lets the canary answer too; resolves when that is over, and never fails. */
  readonly shadow: (shadow: Shadow) => Promise<void>;
}

/** What is the canary's fault, and not the request's. */
const faultsOfCanary: readonly string[] = [
  'SERVING_INFERENCE_FAILED',
  'SERVING_DEADLINE',
  'SERVING_NOT_READY',
  'SERVING_OVERLOADED',
];

/**
 * What every protocol calls: look-up, validation, inference, status and feedback. It knows no wire format. Each request gets one of
 * its own (`for`), which knows who asks and notes what the request's metrics need.
 */
export class DataPlane {
  readonly #parts: DataPlaneParts;
  readonly #models: ReadonlyMap<string, LoadedModel>;
  readonly #caller: Caller | undefined;
  /** What the request turned out to mean, where it got so far. */
  found: Servable | undefined;
  /** Answers where `found` is a canary that nobody asked for and that does not. */
  #fallback: Servable | undefined;
  /** Of the weights: all that one request asks of a model is asked of one version. */
  #turn: { readonly traffic: Traffic; readonly label: string | undefined } | undefined;
  /** On `performance.now()`'s clock; 0 where the request did not get so far. */
  inferStartedMs = 0;
  readonly phases: Phases | undefined;
  inferEndedMs = 0;
  /** Of the answer; the servers put it into header or metadata. */
  predictionId: string | undefined;

  constructor(parts: DataPlaneParts, models?: ReadonlyMap<string, LoadedModel>, caller?: Caller) {
    this.#parts = parts;
    this.#models = models ?? new Map(parts.models.map((model) => [model.name, model]));
    this.#caller = caller;
    if (parts.isTraced) this.phases = noPhases();
  }

  /** The data plane of one request. */
  for(caller: Caller): DataPlane {
    return new DataPlane(this.#parts, this.#models, caller);
  }

  /** What JSON does with NaN and Infinity. */
  get nonFinite(): ServingSettings['nonFinite'] {
    return this.#parts.settings.nonFinite;
  }

  /** How this server is asked over HTTP. */
  get scheme(): 'http' | 'https' {
    return this.#parts.settings.tls === undefined ? 'http' : 'https';
  }

  /** Whether requests can be answered later. */
  get takesAsync(): boolean {
    return this.#parts.settings.asyncRequests !== undefined;
  }

  /** @throws ServingError SERVING_FORBIDDEN */
  #check(permission: Permission, model: string): void {
    if (this.#caller === undefined || this.#caller.may(permission, model)) return;
    this.#parts.audit.event('caller-refused', { caller: this.#caller.id, permission, model });
    throw new ServingError(
      'SERVING_FORBIDDEN',
      `'${this.#caller.id}' may not ${permission} on model '${model}'`,
    );
  }

  /** Names of the models that the caller may know of. */
  modelNames(): string[] {
    return [...this.#models.keys()].filter((name) => this.#caller?.may('read', name) !== false);
  }

  /** @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_FORBIDDEN */
  model(name: string): LoadedModel {
    this.#check('read', name);
    const model = this.#models.get(name);
    if (model !== undefined) return model;
    throw new ServingError('SERVING_MODEL_NOT_FOUND', `Servable not found for request: Latest(${name})`);
  }

  /**
   * The version that is to answer a request.
   * @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_VERSION_NOT_FOUND, SERVING_BAD_LABEL, SERVING_FORBIDDEN
   */
  find(target: Target): Servable {
    const { servable, fallback } = findVersion(this.model(target.model), target, (traffic) => {
      if (this.#turn?.traffic !== traffic) this.#turn = { traffic, label: traffic.pick() };
      return this.#turn.label;
    });
    this.found = servable;
    this.#fallback = fallback;
    return servable;
  }

  /** The version that a request means which runs nothing, and so takes no turn of those that do. @throws ServingError as `find` */
  look(target: Target): Servable {
    this.found = findVersion(this.model(target.model), target, (traffic) => traffic.usual).servable;
    return this.found;
  }

  /** @throws ServingError SERVING_MODEL_NOT_FOUND */
  status(name: string): VersionStatus[] {
    this.#check('read', name);
    const model = this.#models.get(name);
    if (model === undefined) {
      throw new ServingError('SERVING_MODEL_NOT_FOUND', `Could not find any versions of model ${name}`);
    }
    return statusOf(model, this.#parts.server.failures(name));
  }

  /**
   * Runs a request. `inputs` may be in any order; they are checked against the signature.
   * @throws ServingError SERVING_BAD_INPUT naming the input, what was expected, what came, and a request that works;
   *   SERVING_FORBIDDEN, SERVING_OVERLOADED, SERVING_DEADLINE, SERVING_CANCELLED, SERVING_INFERENCE_FAILED
   */
  infer(
    servable: Servable,
    inputs: readonly TensorValue[],
    options: InferenceOptions = {},
  ): Promise<Inference> {
    const fallback = servable === this.found ? this.#fallback : undefined;
    return fallback === undefined
      ? this.#infer(servable, inputs, options)
      : this.#inferOrFallBack(servable, fallback, inputs, options);
  }

  async #inferOrFallBack(
    servable: Servable,
    fallback: Servable,
    inputs: readonly TensorValue[],
    options: InferenceOptions,
  ): Promise<Inference> {
    const traffic = this.#models.get(servable.model)?.traffic as Traffic;
    try {
      const patientUntilMs = performance.now() + traffic.patienceMs;
      const deadlineMs = Math.min(patientUntilMs, options.deadlineMs ?? patientUntilMs);
      return await this.#infer(servable, inputs, { ...options, deadlineMs });
    } catch (error) {
      // Nobody asked for the canary: nobody has to know of its faults.
      if (!(error instanceof ServingError) || !faultsOfCanary.includes(error.code)) throw error;
      this.found = fallback;
      return this.#infer(fallback, inputs, options);
    }
  }

  async #infer(
    servable: Servable,
    inputs: readonly TensorValue[],
    options: InferenceOptions,
  ): Promise<Inference> {
    this.#check('predict', servable.model);
    const latestMs = performance.now() + this.#parts.settings.requestTimeoutMs;
    const deadlineMs = Math.min(latestMs, options.deadlineMs ?? latestMs);
    const prepared =
      servable.processor === undefined
        ? undefined
        : await this.#prepare(servable, inputs, deadlineMs, options.signal);
    const ordered = orderedInputs(servable, prepared?.inputs ?? inputs);
    const rows = rowsOf(servable, ordered);
    const asWords = prepared?.isProcessed === true && options.asTensors !== true;
    const choose = chooserOf(servable, options.outputs, asWords);
    this.inferStartedMs = performance.now();
    const outputs = await servable.runner.run(ordered, rows, deadlineMs, options.signal, this.phases);
    this.inferEndedMs = performance.now();
    this.predictionId = newPredictionId();
    const inference: Inference = {
      predictionId: this.predictionId,
      servable,
      outputs: choose(outputs),
      rows,
    };
    this.#parts.sink.record(inference, ordered);
    this.#shadow(servable, inputs, { inputs: ordered, rows, outputs });
    return inference;
  }

  /** Hands what `stable` answered on to be compared, where that is wanted. Nobody waits for it. */
  #shadow(
    { model, version, processor }: Servable,
    given: readonly TensorValue[],
    answered: Pick<Shadow, 'inputs' | 'rows' | 'outputs'>,
  ): void {
    const loaded = this.#models.get(model);
    const traffic = loaded?.traffic;
    if (traffic === undefined || traffic.labels['stable'] !== version) return;
    const stableMs = this.inferEndedMs - this.inferStartedMs;
    if (!traffic.takeShadow(stableMs)) return;
    const canary = loaded?.versions.get(traffic.labels['canary'] as number) as Servable;
    const compare = async () => {
      // The answer goes first: what is large takes time to be handed on.
      await turnOfOthers();
      const inputs =
        canary.processor === processor ? answered.inputs : await this.#preparedFor(canary, given);
      await this.#parts.shadow({ model, ...answered, inputs, stableMs });
    };
    void compare()
      .catch(() => {})
      .finally(() => traffic.compared());
  }

  /** What was given for one version as another takes it. @throws ServingError as `#prepare` */
  async #preparedFor(servable: Servable, given: readonly TensorValue[]): Promise<readonly TensorValue[]> {
    const deadlineMs = performance.now() + this.#parts.settings.requestTimeoutMs;
    const { inputs } =
      servable.processor === undefined
        ? { inputs: given }
        : await this.#prepare(servable, given, deadlineMs, undefined);
    return orderedInputs(servable, inputs);
  }

  /** Pictures and columns as tensors. @throws ServingError SERVING_BAD_INPUT, SERVING_DEADLINE, SERVING_CANCELLED */
  async #prepare(
    servable: Servable,
    inputs: readonly TensorValue[],
    deadlineMs: number,
    signal: Cancellation | undefined,
  ): Promise<Prepared> {
    const { pictures, settings } = this.#parts;
    try {
      return await (servable.processor as Processor).prepare(
        inputs,
        settings.maxImagePixels,
        (bytes, target) => pictures.row(bytes, target, deadlineMs, signal),
      );
    } catch (error) {
      if (error instanceof ProcessingFault) throw badInput(servable, error.message);
      throw error;
    }
  }

  /**
   * What a version, all versions of a model, or everything has done.
   * @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_VERSION_NOT_FOUND
   */
  async statistics(target?: Target): Promise<readonly VersionStatistics[]> {
    const version = target?.version === undefined ? undefined : this.look(target).version;
    if (target !== undefined) this.model(target.model);
    const all = await this.#parts.server.statistics();
    return all.filter(
      (each) =>
        (target === undefined ? this.modelNames().includes(each.model) : each.model === target.model) &&
        (version === undefined || each.version === version),
    );
  }

  /** Whether more requests should be sent here. */
  get isReady(): boolean {
    return !this.#parts.server.isLeaving();
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
    const idle = (await this.#parts.server.repository()).filter(
      (name) => !this.#models.has(name) && this.#caller?.may('read', name) !== false,
    );
    return [...loaded, ...idle.map((name) => ({ name, version: '', ready: false, reason: 'not loaded' }))];
  }

  /** Resolves when the model answers. @throws ServingError SERVING_FORBIDDEN, SERVING_LOAD_FAILED */
  async load(model: string): Promise<void> {
    this.#check('control', model);
    await this.#parts.server.control('load', model);
  }

  /**
   * Serves what the repository has now of what the settings ask for. Answers whether that is something new.
   * @throws ServingError SERVING_FORBIDDEN, SERVING_MODEL_NOT_FOUND, SERVING_LOAD_FAILED, SERVING_STORE_UNAVAILABLE
   */
  async reload(model: string): Promise<boolean> {
    this.#check('control', model);
    this.model(model);
    return this.#parts.server.reload();
  }

  /**
   * Serves exactly these models. Shares and canaries stay what the settings say.
   * @throws ServingError SERVING_FORBIDDEN, SERVING_BAD_SETTINGS, SERVING_LOAD_FAILED
   */
  async configure(models: readonly ServedModel[]): Promise<void> {
    for (const name of [...this.#models.keys(), ...models.map((model) => model.name)]) {
      this.#check('control', name);
    }
    await this.#parts.server.configure(models);
  }

  /** Resolves when the model answers no more. @throws ServingError SERVING_FORBIDDEN, SERVING_MODEL_NOT_FOUND */
  async unload(model: string): Promise<void> {
    this.#check('control', model);
    this.model(model);
    await this.#parts.server.control('unload', model);
  }

  /**
   * Takes a request whose answer is fetched later. Its body is looked at then, too.
   * @throws ServingError SERVING_FORBIDDEN, SERVING_MODEL_NOT_FOUND, SERVING_UNIMPLEMENTED, SERVING_OVERLOADED, SERVING_QUEUE_UNAVAILABLE
   */
  async submit(
    { path, headers, body }: Pick<StoredRequest, 'path' | 'headers'> & { body(): Promise<Uint8Array> },
    model: string,
  ): Promise<LaterState> {
    this.#check('predict', model);
    this.model(model);
    const request: StoredRequest = {
      method: 'POST',
      path,
      query: '',
      headers,
      body: await body(),
      remoteAddress: undefined,
      certificateName: undefined,
    };
    return this.#parts.server.submit({ request, model, callerId: this.#caller?.id ?? '' });
  }

  /** @throws ServingError SERVING_REQUEST_NOT_FOUND, SERVING_NO_RESULT, SERVING_FORBIDDEN, SERVING_QUEUE_UNAVAILABLE */
  async later<Call extends LaterCall>(
    call: Call,
    id: string,
  ): Promise<Call extends 'result' ? LaterAnswer : LaterState> {
    const found = await this.#parts.server.later(call, id, this.#caller?.id ?? '');
    this.#check('predict', found.model);
    return found as Call extends 'result' ? LaterAnswer : LaterState;
  }

  /**
   * @throws ServingError SERVING_MODEL_NOT_FOUND, SERVING_PREDICTION_NOT_FOUND, SERVING_BAD_REQUEST where it can never be used,
   *   SERVING_FEEDBACK_UNAVAILABLE
   */
  async feedback(name: string, feedback: FeedbackRequest): Promise<{ feedbackId: string }> {
    this.#check('feedback', name);
    const { versions } = this.model(name);
    return this.#parts.sink.feedback(name, feedback, misfitsOf(versions.values(), feedback));
  }
}
