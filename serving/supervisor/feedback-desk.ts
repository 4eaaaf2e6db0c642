import { join } from 'node:path';
import type {
  FeedbackRecord,
  FeedbackRequest,
  PredictionRecord,
  ServingSettings,
} from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { FeedbackStore } from '../feedback/store.ts';
import type { Log } from '../log.ts';
import { openEmbeddedDatabase } from '../middleware/database/embedded.ts';
import { openPostgres } from '../middleware/database/postgres.ts';

/** Predictions that wait for the database; the oldest give way. */
const maxWaiting = 20_000;
const pruneEveryMs = 3600 * 1000;

/**
 * The supervisor's side of feedback, and the only opener of the embedded database. The database opens in the background: predictions
 * are answered meanwhile, and feedback waits.
 */
export class FeedbackDesk {
  readonly #log: Log;
  readonly #store: Promise<FeedbackStore>;
  readonly #prune: NodeJS.Timeout;
  #waiting: PredictionRecord[] = [];
  #writing: Promise<void> = Promise.resolve();

  /** @param server Postgres of the settings; the embedded database where they name none */
  constructor(stateDir: string, server: ServingSettings['database'], log: Log) {
    this.#log = log;
    const opened =
      server === undefined
        ? openEmbeddedDatabase(join(stateDir, 'database'))
        : Promise.resolve(openPostgres(server));
    this.#store = opened.then((database) => FeedbackStore.open(database));
    this.#store.then(
      (store) => store.prune().catch(() => {}),
      (error: Error) => log.error({ err: error }, 'the database does not open: feedback is refused'),
    );
    this.#prune = setInterval(
      () => void this.#store.then((store) => store.prune()).catch(() => {}),
      pruneEveryMs,
    );
    this.#prune.unref();
  }

  predictions(records: readonly PredictionRecord[]): void {
    this.#waiting.push(...records);
    if (this.#waiting.length > maxWaiting) this.#waiting.splice(0, this.#waiting.length - maxWaiting);
    this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const store = await this.#store.catch(() => undefined);
    const records = this.#waiting;
    this.#waiting = [];
    await store?.addPredictions(records).catch((error: Error) => {
      this.#log.error({ err: error }, `${records.length} predictions were not kept`);
    });
  }

  /**
   * Commits feedback, after every prediction that was handed over before.
   * @throws ServingError SERVING_PREDICTION_NOT_FOUND, SERVING_FEEDBACK_UNAVAILABLE
   */
  async feedback(model: string, request: FeedbackRequest): Promise<{ feedbackId: string }> {
    await this.#writing;
    try {
      return await (await this.#store).addFeedback(model, request);
    } catch (error) {
      if (error instanceof ServingError) throw error;
      this.#log.error({ err: error }, 'feedback was not kept');
      throw new ServingError('SERVING_FEEDBACK_UNAVAILABLE', 'The feedback could not be kept');
    }
  }

  async *export(model: string): AsyncGenerator<FeedbackRecord> {
    await this.#writing;
    yield* (await this.#store).feedback(model);
  }

  /** Writes what waits and closes the database. */
  async close(): Promise<void> {
    clearInterval(this.#prune);
    await this.#writing;
    const store = await this.#store.catch(() => undefined);
    await store?.close();
  }
}
