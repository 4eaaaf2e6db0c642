import type { PredictionRecord } from '../contract/index.ts';

/** A prediction on its way to the database: text from the worker on, which nobody has to take apart and put together again. */
export interface WrittenPrediction {
  readonly predictionId: string;
  /** JSON of its PredictionRecord. */
  readonly json: string;
}

export const written = (record: PredictionRecord): WrittenPrediction => ({
  predictionId: record.predictionId,
  json: JSON.stringify(record),
});
