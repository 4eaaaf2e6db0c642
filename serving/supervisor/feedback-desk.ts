import type { FeedbackRecord, FeedbackRequest } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Misfits } from '../feedback/misfit.ts';
import { FeedbackStore } from '../feedback/store.ts';
import type { WrittenPrediction } from '../feedback/written-prediction.ts';
import type { Log } from '../log.ts';
import type { Database } from '../middleware/database/database.ts';
import { WaitingPredictions } from './waiting-predictions.ts';

const pruneEveryMs = 3600 * 1000;
/** A write takes the same for twenty predictions as for one, and from who answers where cores are few: they wait for each other so long. */
const writeEveryMs = 1_000;
/** Or until they fill this share of the room that there is for them. */
const writeAtFullness = 0.1;
/** A database that is away is tried again this much later, with what waits. */
const retryAfterMs = 1_000;

/**
 * The supervisor's side of feedback. The database opens in the background: predictions are answered meanwhile, and feedback waits.
 */
export class FeedbackDesk {
  readonly #log: Log;
  readonly #database: Promise<Database>;
  readonly #prune: NodeJS.Timeout;
  #store: Promise<FeedbackStore> | undefined;
  readonly #waiting = new WaitingPredictions();
  #writing: Promise<void> = Promise.resolve();
  /** The next write, where it has not begun: it takes whatever comes until then. */
  #queued: Promise<void> | undefined;
  #due: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosing = false;

  constructor(database: Promise<Database>, log: Log) {
    this.#log = log;
    this.#database = database;
    this.#openStore().catch((error: Error) => {
      // One that is closed while it opens was asked to.
      if (this.#isClosing) return;
      log.error({ reason: error.message }, 'the database does not open: feedback is refused');
    });
    // At once too: many servers run for less than an hour at a time.
    this.#forget();
    this.#prune = setInterval(() => this.#forget(), pruneEveryMs).unref();
  }

  /** What is old. Where it fails, the next time does it. */
  #forget(): void {
    this.#openStore()
      .then((store) => store.prune())
      .catch(() => {});
  }

  /** Tried again by the next that needs it, where it failed. */
  #openStore(): Promise<FeedbackStore> {
    this.#store ??= this.#database.then((database) => FeedbackStore.open(database));
    this.#store.catch(() => {
      this.#store = undefined;
    });
    return this.#store;
  }

  predictions(records: readonly WrittenPrediction[]): void {
    this.#waiting.add(records);
    if (this.#waiting.fullness > writeAtFullness && this.#retry === undefined) void this.#writeNow();
    else this.#due ??= setTimeout(() => void this.#writeNow(), writeEveryMs);
  }

  /** Resolves when what was handed over is written, or waits for the database. */
  #writeNow(): Promise<void> {
    clearTimeout(this.#due);
    this.#due = undefined;
    this.#queued ??= this.#writing.then(() => {
      this.#queued = undefined;
      return this.#write();
    });
    this.#writing = this.#queued;
    return this.#queued;
  }

  async #write(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const records = this.#waiting.take();
    if (records.length === 0) return;
    const unwritten = new Set(records);
    try {
      const store = await this.#openStore();
      await store.addPredictions(records, (written) => {
        for (const prediction of written) unwritten.delete(prediction);
      });
    } catch (error) {
      const { message } = error as Error;
      this.#log.error({ reason: message, predictions: unwritten.size }, 'predictions wait for the database');
      this.#waiting.putBack([...unwritten]);
      this.#retry = setTimeout(() => void this.#writeNow(), retryAfterMs).unref();
    }
  }

  /**
   * Commits feedback, after the prediction that it is about.
   * @throws ServingError SERVING_PREDICTION_NOT_FOUND, SERVING_BAD_REQUEST, SERVING_FEEDBACK_UNAVAILABLE
   */
  async feedback(
    model: string,
    request: FeedbackRequest,
    misfits?: Misfits,
  ): Promise<{ feedbackId: string }> {
    const id = request.predictionId.toLowerCase();
    const isWaiting = () => this.#waiting.has(id);
    await this.#writing;
    if (isWaiting()) await this.#writeNow();
    if (isWaiting())
      throw new ServingError('SERVING_FEEDBACK_UNAVAILABLE', 'The prediction waits for the database itself');
    try {
      return await (await this.#openStore()).addFeedback(model, request, misfits);
    } catch (error) {
      if (error instanceof ServingError) throw error;
      this.#log.error({ reason: (error as Error).message }, 'feedback was not kept');
      throw new ServingError('SERVING_FEEDBACK_UNAVAILABLE', 'The feedback could not be kept');
    }
  }

  async *export(model: string): AsyncGenerator<FeedbackRecord> {
    await this.#writeNow();
    yield* (await this.#openStore()).feedback(model);
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    clearInterval(this.#prune);
    this.#isClosing = true;
    await this.#writeNow();
    clearTimeout(this.#retry);
  }
}
