import { uuidv7 } from 'uuidv7';
import type { FeedbackRecord, FeedbackRequest, PredictionRecord, RecordedTensor } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Database } from '../middleware/database/database.ts';
import { type Misfits, refusalOf } from './misfit.ts';
import { firstIdAt, foundIn, pagesEndBefore, pagesOf } from './prediction-pages.ts';
import type { WrittenPrediction } from './written-prediction.ts';

const schema = [
  `CREATE TABLE IF NOT EXISTS predictions (
     prediction_id uuid PRIMARY KEY, model text NOT NULL, at_ms bigint NOT NULL, record jsonb NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS predictions_at ON predictions (at_ms)',
  `CREATE TABLE IF NOT EXISTS prediction_pages (
     first_id uuid NOT NULL, last_id uuid NOT NULL, records text NOT NULL)`,
  // To compress them would take Postgres as long again as to write them.
  'ALTER TABLE prediction_pages ALTER COLUMN records SET STORAGE EXTERNAL',
  'CREATE INDEX IF NOT EXISTS prediction_pages_last ON prediction_pages (last_id)',
  `CREATE TABLE IF NOT EXISTS feedback (
     feedback_id uuid PRIMARY KEY, prediction_id uuid NOT NULL REFERENCES predictions, model text NOT NULL,
     at_ms bigint NOT NULL, request jsonb NOT NULL)`,
  'CREATE INDEX IF NOT EXISTS feedback_of_model ON feedback (model, feedback_id)',
  // Whoever deletes a prediction has all feedback looked through for it, by Postgres.
  'CREATE INDEX IF NOT EXISTS feedback_of_prediction ON feedback (prediction_id)',
];
/** What the last of them makes: where it is there, all are. */
const newest = 'feedback_of_prediction';
/** Any number that nothing else on the database locks. */
const schemaLock = 0x6d6f64656c;

const insertFeedback =
  'INSERT INTO feedback (feedback_id, prediction_id, model, at_ms, request) VALUES ($1, $2, $3, $4, $5)';

/** Predictions that nobody gave feedback to are forgotten after this long. */
const retentionMs = 7 * 24 * 3600 * 1000;
/** Feedback that is read at once. */
const chunk = 200;
/** What one statement forgets: others get their turn in between, and none comes near the time that a statement may take. */
const forgottenAtOnce = { pages: 100, rows: 1_000 };

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

  /**
   * Makes its tables where they are not there; where they are it locks nothing. To alter a table waits for all who read it (a backup
   * does so for hours), and meanwhile everybody else waits for that.
   */
  static async open(database: Database): Promise<FeedbackStore> {
    const [found] = await database.query('SELECT to_regclass($1) IS NOT NULL AS is_there', [newest]);
    if (found?.['is_there'] !== true) {
      await database.transaction(async (query) => {
        // Of servers that start together one makes them: two that make one table fail.
        await query('SELECT pg_advisory_xact_lock($1)', [schemaLock]);
        for (const statement of schema) await query(statement);
      });
    }
    return new FeedbackStore(database);
  }

  /**
   * Writes predictions. One that is written again, since nobody could tell whether it was, is there twice; it is the same.
   * @param onWritten told of those that are committed, also where it fails later
   */
  async addPredictions(
    all: readonly WrittenPrediction[],
    onWritten: (predictions: readonly WrittenPrediction[]) => void = () => {},
  ): Promise<void> {
    for (const { firstId, lastId, records, predictions } of pagesOf(all)) {
      await this.#database.query(
        'INSERT INTO prediction_pages (first_id, last_id, records) VALUES ($1, $2, $3)',
        [firstId, lastId, records],
      );
      onWritten(predictions);
    }
  }

  /** Where it has feedback it is a row of its own, else on a page. */
  async #prediction(
    model: string,
    predictionId: string,
  ): Promise<{ readonly prediction: PredictionRecord; readonly isRow: boolean } | undefined> {
    const [row] = await this.#database.query('SELECT record FROM predictions WHERE prediction_id = $1', [
      predictionId,
    ]);
    let found = row?.['record'] as PredictionRecord | undefined;
    if (found === undefined) {
      const pages = await this.#database.query(
        'SELECT records FROM prediction_pages WHERE last_id >= $1 AND last_id < $2 AND first_id <= $1',
        [predictionId, pagesEndBefore(predictionId)],
      );
      for (const { records } of pages) found ??= foundIn(records as string, predictionId);
    }
    return found?.model === model ? { prediction: found, isRow: row !== undefined } : undefined;
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
    const found = await this.#prediction(model, request.predictionId);
    if (found === undefined) {
      throw new ServingError(
        'SERVING_PREDICTION_NOT_FOUND',
        `Model ${model} has no prediction ${request.predictionId}`,
      );
    }
    const { prediction, isRow } = found;
    if (request.row >= prediction.rows) {
      throw new ServingError(
        'SERVING_BAD_REQUEST',
        `The prediction has ${prediction.rows} rows, there is no row ${request.row}`,
      );
    }
    const refusal = refusalOf(prediction, request, misfits);
    if (refusal !== undefined) throw new ServingError('SERVING_BAD_REQUEST', refusal);
    const feedbackId = uuidv7();
    const parameters = [feedbackId, request.predictionId, model, Date.now(), JSON.stringify(request)];
    // A large prediction takes longer to send than all else; one with a row for each of many needs it once.
    if (isRow) await this.#database.query(insertFeedback, parameters);
    else {
      await this.#database.query(
        `WITH prediction AS (
           INSERT INTO predictions (prediction_id, model, at_ms, record) VALUES ($2, $3, $6, $7) ON CONFLICT DO NOTHING)
         ${insertFeedback}`,
        [...parameters, prediction.atMs, JSON.stringify(prediction)],
      );
    }
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
    const beforeMs = nowMs - retentionMs;
    const { pages, rows } = forgottenAtOnce;
    await this.#inPieces(
      pages,
      'DELETE FROM prediction_pages WHERE ctid = ANY(ARRAY(SELECT ctid FROM prediction_pages WHERE last_id < $1 LIMIT $2)) RETURNING 1',
      firstIdAt(beforeMs),
    );
    // Rows of an earlier version, which had one for each prediction.
    await this.#inPieces(
      rows,
      `DELETE FROM predictions WHERE prediction_id = ANY(ARRAY(SELECT prediction_id FROM predictions p WHERE at_ms < $1
         AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.prediction_id = p.prediction_id) LIMIT $2)) RETURNING 1`,
      beforeMs,
    );
  }

  /** Runs a statement that deletes up to `size` rows until there are no more. */
  async #inPieces(size: number, sql: string, before: string | number): Promise<void> {
    while ((await this.#database.query(sql, [before, size])).length === size);
  }
}
