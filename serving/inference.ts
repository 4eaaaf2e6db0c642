import type { FeedbackRequest } from './contract/index.ts';
import type { Cancellation } from './engine/runner.ts';
import type { Servable } from './engine/servable.ts';
import type { TensorValue } from './engine/tensor.ts';
import type { Misfits } from './feedback/misfit.ts';

export interface InferenceOptions {
  /** Outputs wanted, in this order; all where left out. */
  readonly outputs?: readonly string[] | undefined;
  /** On `performance.now()`'s clock; the settings' requestTimeoutMs from now where left out, or later than that. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: Cancellation | undefined;
  /** The model's own outputs, whatever form the inputs came in: for what makes classes of scores itself. */
  readonly asTensors?: boolean;
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
  /**
   * Resolves when the feedback and its prediction are committed.
   * @throws ServingError SERVING_PREDICTION_NOT_FOUND, SERVING_BAD_REQUEST where it can never be used
   */
  feedback(model: string, feedback: FeedbackRequest, misfits: Misfits): Promise<{ feedbackId: string }>;
}
