import type {
  FeedbackRequest,
  PredictionRecord,
  RecordedTensor,
  ServingSettings,
} from '../contract/index.ts';
import type { Inference, PredictionSink } from '../dataplane.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { ServingError } from '../errors.ts';
import type { Count, Metrics } from '../monitoring/registry.ts';

/** How long answers wait in the worker before they are handed to the supervisor together. */
const flushEveryMs = 100;

export interface RecorderChannel {
  /** Hands records to the supervisor. */
  predictions(records: readonly PredictionRecord[]): void;
  /** Resolves when the supervisor has committed. */
  feedback(model: string, request: FeedbackRequest): Promise<{ feedbackId: string }>;
}

/** JSON has neither NaN nor bigint: both are kept as text. */
function recorded({ name, dtype, shape, data }: TensorValue): RecordedTensor {
  const plain = (value: number | bigint | string) =>
    typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
      ? String(value)
      : value;
  const values = Array.from(data as ArrayLike<number | bigint | string>, plain);
  return { name, dtype, shape: [...shape], data: values };
}

interface Pending {
  readonly inference: Inference;
  readonly inputs: readonly TensorValue[];
  readonly atMs: number;
}

/**
 * The worker's side of feedback: keeps references to what was answered and hands them on in batches, off the hot path and no more
 * than `recordPerSecond`.
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
    }
    this.#inSecond += 1;
    if (this.#inSecond > this.#settings.recordPerSecond) {
      this.#unrecordedOf(inference.servable.model).add();
      return;
    }
    this.#pending.push({ inference, inputs, atMs });
    this.#timer ??= setTimeout(() => this.flush(), flushEveryMs);
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
    if (pending.length > 0) this.#channel.predictions(pending.map((entry) => this.#recordOf(entry)));
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

  async feedback(model: string, request: FeedbackRequest): Promise<{ feedbackId: string }> {
    if (this.#settings.recordPerSecond === 0) {
      throw new ServingError(
        'SERVING_UNIMPLEMENTED',
        'This server keeps no predictions (recordPerSecond is 0)',
      );
    }
    const answer = await this.#channel.feedback(model, request);
    const kind =
      request.label !== undefined ? 'label' : request.rating !== undefined ? 'rating' : 'correction';
    this.#metrics.count('modelmile_feedback_total', { model, kind }).add();
    return answer;
  }
}
