import { isUtf8 } from 'node:buffer';
import type {
  FeedbackRequest,
  PredictionRecord,
  RecordedTensor,
  ServingSettings,
} from '../contract/index.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError } from '../errors.ts';
import type { Inference, PredictionSink } from '../inference.ts';
import type { Count, Metrics } from '../monitoring/registry.ts';
import type { GivenFeedback, Misfits } from './misfit.ts';
import { type WrittenPrediction, written } from './written-prediction.ts';

/** JSON of one second that a worker hands on: the supervisor writes it, and connections wait while it does. */
const maxJsonPerSecond = 16 * 1024 * 1024;
/** Characters of a number with its comma. */
const longestNumber = 20;
/** How long answers wait in the worker before they are handed to the supervisor together. */
const flushEveryMs = 100;

export interface RecorderChannel {
  /** Hands them to the supervisor. */
  predictions(records: readonly WrittenPrediction[]): void;
  /** Resolves when the supervisor has committed. */
  feedback(said: GivenFeedback): Promise<{ feedbackId: string }>;
}

type Value = number | bigint | string | Uint8Array;

/** Bytes as text where they are text, else as a data URI. The database takes neither a character 0 nor half a surrogate pair. */
function textOf(value: string | Uint8Array): string {
  if (typeof value === 'string') return value.replaceAll(/[\0\p{Surrogate}]/gu, '\uFFFD');
  if (isUtf8(value)) return textOf(Buffer.from(value).toString('utf8'));
  return `data:;base64,${Buffer.from(value).toString('base64')}`;
}

/** JSON has neither NaN nor bigint nor bytes: they are kept as text. */
function plain(value: Value): number | string {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return typeof value === 'bigint' ? String(value) : textOf(value);
}

const recorded = ({ name, dtype, shape, data }: TensorValue): RecordedTensor => ({
  name,
  dtype,
  shape: [...shape],
  data: Array.from(data as ArrayLike<Value>, plain),
});

/** About how long tensors are as JSON. */
function jsonLengthOf(tensors: readonly TensorValue[]): number {
  let length = 0;
  for (const { data } of tensors) {
    length += longestNumber * data.length;
    if (Array.isArray(data)) for (const value of data) length += value.length;
  }
  return length;
}

interface Pending {
  readonly inference: Inference;
  readonly inputs: readonly TensorValue[];
  readonly atMs: number;
}

/**
 * The worker's side of feedback: keeps references to what was answered and hands them on in batches, off the hot path and no more
 * than `recordPerSecond`, or than the supervisor can write without keeping others waiting.
 */
export class PredictionRecorder implements PredictionSink {
  readonly #settings: Pick<ServingSettings, 'recordInputs' | 'recordPerSecond'>;
  readonly #channel: RecorderChannel;
  readonly #metrics: Metrics;
  readonly #unrecorded = new Map<string, Count>();
  #pending: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;
  #second = 0;
  #inSecond = 0;
  #jsonInSecond = 0;

  constructor(
    settings: Pick<ServingSettings, 'recordInputs' | 'recordPerSecond'>,
    channel: RecorderChannel,
    metrics: Metrics,
  ) {
    this.#settings = settings;
    this.#channel = channel;
    this.#metrics = metrics;
  }

  record(inference: Inference, inputs: readonly TensorValue[]): void {
    const atMs = Date.now();
    const second = Math.floor(atMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
      this.#jsonInSecond = 0;
    }
    if (!this.#hasRoomFor(inference, inputs)) {
      this.#unrecordedOf(inference.servable.model).add();
      return;
    }
    this.#pending.push({ inference, inputs, atMs });
    this.#timer ??= setTimeout(() => this.flush(), flushEveryMs);
  }

  /** Whether one more prediction of this second is kept; it is counted where it is. */
  #hasRoomFor({ outputs }: Inference, inputs: readonly TensorValue[]): boolean {
    if (this.#inSecond === this.#settings.recordPerSecond) return false;
    const json = jsonLengthOf(outputs) + (this.#settings.recordInputs ? jsonLengthOf(inputs) : 0);
    if (this.#jsonInSecond + json > maxJsonPerSecond) return false;
    this.#inSecond += 1;
    this.#jsonInSecond += json;
    return true;
  }

  #unrecordedOf(model: string): Count {
    let count = this.#unrecorded.get(model);
    if (count === undefined) {
      count = this.#metrics.count('modelmile_predictions_unrecorded_total', { model });
      this.#unrecorded.set(model, count);
    }
    return count;
  }

  /** Hands over everything that waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    this.#pending = [];
    if (pending.length > 0) this.#channel.predictions(pending.map((entry) => written(this.#recordOf(entry))));
  }

  #recordOf({ inference, inputs, atMs }: Pending): PredictionRecord {
    const { predictionId, servable, outputs, rows } = inference;
    return {
      predictionId,
      model: servable.model,
      version: servable.version,
      digest: servable.digest,
      atMs,
      rows,
      ...(this.#settings.recordInputs ? { inputs: inputs.map(recorded) } : {}),
      outputs: outputs.map(recorded),
    };
  }

  async feedback(model: string, request: FeedbackRequest, misfits: Misfits): Promise<{ feedbackId: string }> {
    if (this.#settings.recordPerSecond === 0) {
      throw new ServingError(
        'SERVING_UNIMPLEMENTED',
        'This server keeps no predictions (recordPerSecond is 0)',
      );
    }
    const answer = await this.#channel.feedback({ model, request, misfits });
    const kind =
      request.label !== undefined ? 'label' : request.rating !== undefined ? 'rating' : 'correction';
    this.#metrics.count('modelmile_feedback_total', { model, kind }).add();
    return answer;
  }
}
