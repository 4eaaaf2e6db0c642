import { uuidv7 } from 'uuidv7';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { LaterAnswer, LaterRequest, LaterState } from '../later.ts';
import type { Log } from '../log.ts';
import type { Database } from '../middleware/database/database.ts';
import type { Job, Queue } from '../middleware/queue/queue.ts';
import type { Metrics } from '../monitoring/registry.ts';
import type { StoredRequest, StoredResponse } from '../stored.ts';

type AsyncSettings = NonNullable<ServingSettings['asyncRequests']>;

/** What the queue keeps of a request. Never a key, a token or another header that says who asked. */
interface Kept extends Omit<LaterRequest, 'request'> {
  readonly path: string;
  readonly headers: StoredRequest['headers'];
  /** base64 */
  readonly body: string;
  readonly submittedAtMs: number;
}

interface KeptAnswer {
  readonly status: number;
  readonly head: readonly string[];
  /** base64 */
  readonly body: string;
}

/** Beside the time that a request has, one try may wait this long for a worker. */
const waitSeconds = 30;
/** The last answer of a try may be begun a look after it has waited, and is on its way for a moment: before it is there no other try begins. */
const spareSeconds = 2;
/** Refusals that are another's turn: the request is tried again. */
const passing: readonly number[] = [429, 503];
const lookAgainMs = 500;

/** Those who answer. */
export interface Answering {
  /** Whether anybody is there who can. */
  readonly isReady: boolean;
  /** On behalf of a caller who is known already. @throws ServingError where who answers ends meanwhile */
  runFor(request: StoredRequest, callerId: string, model: string): Promise<StoredResponse>;
}

/** Requests whose answers are fetched later: the supervisor's side. */
export class AsyncDesk {
  readonly #settings: AsyncSettings;
  readonly #serving: () => Answering;
  readonly #metrics: Metrics;
  readonly #queue: Promise<Queue>;
  #isOpen = false;
  /** Requests that are on their way into the queue, which does not count them yet. */
  #arriving = 0;
  #isClosing = false;

  constructor(
    settings: ServingSettings,
    limits: AsyncSettings,
    database: Promise<Database>,
    serving: () => Answering,
    metrics: Metrics,
    log: Log,
  ) {
    this.#settings = limits;
    this.#serving = serving;
    this.#metrics = metrics;
    this.#queue = this.#open(settings, database, log);
    this.#queue.then(
      () => {
        this.#isOpen = true;
      },
      (error: Error) => {
        if (this.#isClosing) return;
        log.error({ reason: error.message }, 'the queue does not open: asynchronous requests are refused');
      },
    );
  }

  async #open(settings: ServingSettings, database: Promise<Database>, log: Log): Promise<Queue> {
    // Loaded only where it is needed.
    const { PgBossQueue } = await import('../middleware/queue/pg-boss.ts');
    const limits = {
      trySeconds: Math.ceil(settings.requestTimeoutMs / 1000) + waitSeconds + spareSeconds,
      keepSeconds: this.#settings.expireSeconds,
    };
    const isOwner = settings.database === undefined;
    const onError = (error: Error) => log.error({ reason: error.message }, 'the queue');
    const queue = await PgBossQueue.open(await database, 'modelmile-requests', limits, isOwner, onError);
    if (!this.#isClosing) await queue.work(this.#settings.concurrency, (kept) => this.#work(kept as Kept));
    return queue;
  }

  /** @throws ServingError SERVING_QUEUE_UNAVAILABLE where the database is away */
  async #do<T>(work: (queue: Queue) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#queue);
    } catch (error) {
      if (error instanceof ServingError) throw error;
      throw new ServingError('SERVING_QUEUE_UNAVAILABLE', 'The queue of requests cannot be reached');
    }
  }

  #count(model: string, result: string): void {
    this.#metrics.count('modelmile_async_requests_total', { model, result }).add();
  }

  /**
   * Resolves when the request is committed.
   * @throws ServingError SERVING_OVERLOADED, SERVING_QUEUE_UNAVAILABLE
   */
  submit({ request, model, callerId }: LaterRequest): Promise<LaterState> {
    return this.#do(async (queue) => {
      const waiting = (await queue.waiting()) + this.#arriving;
      if (waiting >= this.#settings.maxWaiting) {
        this.#count(model, 'refused');
        throw new ServingError('SERVING_OVERLOADED', `${waiting} requests wait already`);
      }
      const id = uuidv7();
      const submittedAtMs = Date.now();
      const { path, headers, body } = request;
      const kept: Kept = {
        path,
        headers,
        body: Buffer.from(body).toString('base64'),
        model,
        callerId,
        submittedAtMs,
      };
      this.#arriving++;
      await queue.add(id, kept).finally(() => this.#arriving--);
      this.#count(model, 'submitted');
      return { id, model, state: 'waiting', submittedAtMs };
    });
  }

  async #work(kept: Kept): Promise<object> {
    const { path, headers, model, callerId, submittedAtMs } = kept;
    if (Date.now() > submittedAtMs + this.#settings.expireSeconds * 1000) {
      this.#count(model, 'expired');
      return {};
    }
    const request: StoredRequest = {
      method: 'POST',
      path,
      query: '',
      headers,
      body: Buffer.from(kept.body, 'base64'),
      remoteAddress: undefined,
      certificateName: undefined,
    };
    const { status, head, body } = await this.#answered(request, callerId, model);
    this.#count(model, 'answered');
    return { status, head, body: Buffer.from(body as Uint8Array).toString('base64') } satisfies KeptAnswer;
  }

  /** Waits for who can answer. @throws Error where it takes too long, or where who answers ends meanwhile, which may be the request's doing */
  async #answered(request: StoredRequest, callerId: string, model: string): Promise<StoredResponse> {
    const untilMs = performance.now() + waitSeconds * 1000;
    for (;;) {
      const serving = this.#serving();
      const response = serving.isReady ? await serving.runFor(request, callerId, model) : undefined;
      if (response !== undefined && !passing.includes(response.status)) return response;
      if (this.#isClosing || performance.now() > untilMs)
        throw new Error(`refused for now with ${response?.status ?? 'no worker'}`);
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    }
  }

  /** @throws ServingError SERVING_REQUEST_NOT_FOUND: unknown, forgotten, or somebody else's */
  async #mine(queue: Queue, id: string, callerId: string): Promise<Job & { readonly kept: Kept }> {
    const job = await queue.find(id);
    const kept = job?.data as Kept | undefined;
    const isOver =
      Date.now() > (job?.endedAtMs ?? Number.POSITIVE_INFINITY) + this.#settings.expireSeconds * 1000;
    if (job === undefined || kept === undefined || kept.callerId !== callerId || isOver) {
      throw new ServingError('SERVING_REQUEST_NOT_FOUND', `There is no request ${id}`);
    }
    return { ...job, kept };
  }

  #stateOf({ id, state, result, kept: { model, submittedAtMs } }: Job & { readonly kept: Kept }): LaterState {
    const endsMs = submittedAtMs + this.#settings.expireSeconds * 1000;
    const hasAnswer = result !== undefined && 'status' in result;
    const isExpired = (state === 'done' && !hasAnswer) || (state === 'waiting' && Date.now() > endsMs);
    return { id, model, state: isExpired ? 'expired' : state, submittedAtMs };
  }

  state(id: string, callerId: string): Promise<LaterState> {
    return this.#do(async (queue) => this.#stateOf(await this.#mine(queue, id, callerId)));
  }

  /** The answer as it would have been given at once. @throws ServingError SERVING_REQUEST_NOT_FOUND, SERVING_NO_RESULT */
  result(id: string, callerId: string): Promise<LaterAnswer> {
    return this.#do(async (queue) => {
      const job = await this.#mine(queue, id, callerId);
      const { state, model } = this.#stateOf(job);
      if (state !== 'done') throw new ServingError('SERVING_NO_RESULT', `The request ${id} is ${state}`);
      const { status, head, body } = job.result as KeptAnswer;
      return { model, status, head, body: Buffer.from(body, 'base64') };
    });
  }

  cancel(id: string, callerId: string): Promise<LaterState> {
    return this.#do(async (queue) => {
      const { model } = (await this.#mine(queue, id, callerId)).kept;
      await queue.cancel(id);
      const state = this.#stateOf(await this.#mine(queue, id, callerId));
      if (state.state === 'cancelled') this.#count(model, 'cancelled');
      return state;
    });
  }

  /** One that is still being opened is not waited for: it was given nothing, and what waits in it waits for the next server. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    if (!this.#isOpen) return;
    await this.#queue.then((queue) => queue.close(timeoutMs)).catch(() => {});
  }
}
