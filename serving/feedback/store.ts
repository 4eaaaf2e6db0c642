import { uuidv7 } from 'uuidv7';
import type { FeedbackRecord, FeedbackRequest, PredictionRecord, RecordedTensor } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Database } from '../middleware/database/database.ts';
import { type Misfits, refusalOf } from './misfit.ts';
import type { WrittenPrediction } from './written-prediction.ts';

const schema = [
  `CREATE TABLE IF NOT EXISTS predictions (
     prediction_id uuid PRIMARY KEY, model text NOT NULL, at_ms bigint NOT NULL, record jsonb NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS predictions_at ON predictions (at_ms)',
  `CREATE TABLE IF NOT EXISTS feedback (
     feedback_id uuid PRIMARY KEY, prediction_id uuid NOT NULL REFERENCES predictions, model text NOT NULL,
     at_ms bigint NOT NULL, request jsonb NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS feedback_of_model ON feedback (model, feedback_id)',
];

/** Predictions that nobody gave feedback to are forgotten after this long. */
const retentionMs = 7 * 24 * 3600 * 1000;
/** Rows of one statement. */
const chunk = 200;
/** Of one statement, where it has more than one row. Postgres takes 256 MiB in an array, in which a digit is at most 12 bytes. */
const maxCharacters = 8 * 1024 * 1024;

/** Arrays in JSON, none of which is too much for one statement. */
function* inPieces(records: readonly WrittenPrediction[]): Generator<string> {
  let piece: string[] = [];
  let characters = 0;
  for (const { json } of records) {
    if (piece.length === chunk || (piece.length > 0 && characters + json.length > maxCharacters)) {
      yield `[${piece.join(',')}]`;
      piece = [];
      characters = 0;
    }
    piece.push(json);
    characters += json.length;
  }
  if (piece.length > 0) yield `[${piece.join(',')}]`;
}

/** One row of a recorded tensor, batch dimension 1. */
function rowOf(tensor: RecordedTensor, row: number): RecordedTensor {
  const rowSize = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
  return {
    ...tensor,
    shape: [1, ...tensor.shape.slice(1)],
    data: tensor.data.slice(row * rowSize, (row + 1) * rowSize),
  };
}

function joined(
  feedbackId: string,
  atMs: number,
  prediction: PredictionRecord,
  request: FeedbackRequest,
): FeedbackRecord {
  const { predictionId: _, row, ...said } = request;
  const { model, version, digest, inputs, outputs, predictionId } = prediction;
  return {
    feedbackId,
    predictionId,
    model,
    version,
    digest,
    row,
    atMs,
    ...said,
    ...(inputs === undefined ? {} : { inputs: inputs.map((tensor) => rowOf(tensor, row)) }),
    outputs: outputs.map((tensor) => rowOf(tensor, row)),
  };
}

/** Predictions and the feedback to them, in the database. What `addFeedback` returned is committed. */
export class FeedbackStore {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  static async open(database: Database): Promise<FeedbackStore> {
    for (const statement of schema) await database.query(statement);
    return new FeedbackStore(database);
  }

  /** Writes predictions; one that is there already is left alone. */
  async addPredictions(records: readonly WrittenPrediction[]): Promise<void> {
    for (const json of inPieces(records)) {
      await this.#database.query(
        `INSERT INTO predictions (prediction_id, model, at_ms, record)
         SELECT (r->>'predictionId')::uuid, r->>'model', (r->>'atMs')::bigint, r FROM jsonb_array_elements($1::jsonb) r
         ON CONFLICT DO NOTHING`,
        [json],
      );
    }
  }

  /**
   * Commits feedback to a prediction that is committed.
   * @throws ServingError SERVING_PREDICTION_NOT_FOUND, SERVING_BAD_REQUEST for a row that it does not have, or what can never be used
   */
  async addFeedback(
    model: string,
    request: FeedbackRequest,
    misfits?: Misfits,
  ): Promise<{ feedbackId: string }> {
    const found = await this.#database.query(
      'SELECT record FROM predictions WHERE prediction_id = $1 AND model = $2',
      [request.predictionId, model],
    );
    const prediction = found[0]?.['record'] as PredictionRecord | undefined;
    if (prediction === undefined) {
      throw new ServingError(
        'SERVING_PREDICTION_NOT_FOUND',
        `Model ${model} has no prediction ${request.predictionId}`,
      );
    }
    if (request.row >= prediction.rows) {
      throw new ServingError(
        'SERVING_BAD_REQUEST',
        `The prediction has ${prediction.rows} rows, there is no row ${request.row}`,
      );
    }
    const refusal = refusalOf(prediction, request, misfits);
    if (refusal !== undefined) throw new ServingError('SERVING_BAD_REQUEST', refusal);
    const feedbackId = uuidv7();
    await this.#database.query(
      'INSERT INTO feedback (feedback_id, prediction_id, model, at_ms, request) VALUES ($1, $2, $3, $4, $5)',
      [feedbackId, request.predictionId, model, Date.now(), JSON.stringify(request)],
    );
    return { feedbackId };
  }

  /** The feedback of a model, oldest first, read in pieces. */
  async *feedback(model: string): AsyncGenerator<FeedbackRecord> {
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = await this.#database.query(
        `SELECT f.feedback_id, f.at_ms, f.request, p.record FROM feedback f JOIN predictions p USING (prediction_id)
         WHERE f.model = $1 AND f.feedback_id > $2 ORDER BY f.feedback_id LIMIT ${chunk}`,
        [model, after],
      );
      for (const row of rows) {
        after = String(row['feedback_id']);
        yield joined(
          after,
          Number(row['at_ms']),
          row['record'] as PredictionRecord,
          row['request'] as FeedbackRequest,
        );
      }
      if (rows.length < chunk) return;
    }
  }

  /** Forgets old predictions without feedback. */
  async prune(nowMs = Date.now()): Promise<void> {
    await this.#database.query(
      'DELETE FROM predictions p WHERE at_ms < $1 AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.prediction_id = p.prediction_id)',
      [nowMs - retentionMs],
    );
  }
}
