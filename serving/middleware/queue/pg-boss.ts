import PgBoss from 'pg-boss';
import type { Database } from '../database/database.ts';
import type { Job, JobState, Queue, QueueLimits } from './queue.ts';

const retryLimit = 2;
const retryDelaySeconds = 1;
/** New jobs are told to the workers of this process; those of other processes are found by looking. */
const lookEverySeconds = 2;
/** pg-boss warns below; whoever asks earlier is told nothing all the same. */
const leastArchiveSeconds = 60;

const states = {
  created: 'waiting',
  retry: 'waiting',
  active: 'running',
  completed: 'done',
  cancelled: 'cancelled',
  failed: 'failed',
} as const satisfies Record<PgBoss.JobWithMetadata['state'], JobState>;

/** A queue on the database: pg-boss, on Postgres and on PGlite alike. */
export class PgBossQueue implements Queue {
  readonly #boss: PgBoss;
  readonly #name: string;
  readonly #limits: QueueLimits;
  #workers: readonly string[] = [];

  private constructor(boss: PgBoss, name: string, limits: QueueLimits) {
    this.#boss = boss;
    this.#name = name;
    this.#limits = limits;
  }

  /**
   * @param isOwner whether no other process uses the database: what ran when the last one ended then runs no more, and is done again
   * @param onError what goes wrong in the background, the database being away for example
   */
  static async open(
    database: Database,
    name: string,
    limits: QueueLimits,
    isOwner: boolean,
    onError: (error: Error) => void,
  ): Promise<PgBossQueue> {
    const archiveSeconds = Math.max(limits.keepSeconds, leastArchiveSeconds);
    const boss = new PgBoss({
      db: {
        executeSql: async (text, values) => ({
          rows: [
            ...(values === undefined ? await database.script(text) : await database.query(text, values)),
          ],
        }),
      },
      schedule: false,
      archiveCompletedAfterSeconds: archiveSeconds,
      archiveFailedAfterSeconds: archiveSeconds,
      deleteAfterSeconds: archiveSeconds,
    });
    boss.on('error', onError);
    await boss.start();
    await boss.createQueue(name, {
      name,
      retryLimit,
      retryDelay: retryDelaySeconds,
      expireInSeconds: limits.trySeconds,
    });
    if (isOwner) {
      await database.query(`UPDATE pgboss.job SET state = 'retry' WHERE name = $1 AND state = 'active'`, [
        name,
      ]);
    }
    return new PgBossQueue(boss, name, limits);
  }

  async add(id: string, data: object): Promise<void> {
    await this.#boss.send(this.#name, data, {
      id,
      retryLimit,
      retryDelay: retryDelaySeconds,
      expireInSeconds: this.#limits.trySeconds,
      retentionSeconds: this.#limits.keepSeconds,
    });
    for (const worker of this.#workers) this.#boss.notifyWorker(worker);
  }

  waiting(): Promise<number> {
    return this.#boss.getQueueSize(this.#name, { before: 'active' });
  }

  async find(id: string): Promise<Job | undefined> {
    const job = await this.#boss.getJobById<object>(this.#name, id, { includeArchive: true });
    if (job === null) return undefined;
    const state = states[job.state];
    return {
      id,
      state,
      data: job.data,
      result: state === 'done' ? job.output : undefined,
      createdAtMs: job.createdOn.getTime(),
      endedAtMs: job.completedOn?.getTime(),
    };
  }

  async cancel(id: string): Promise<void> {
    await this.#boss.cancel(this.#name, id);
  }

  async work(concurrency: number, work: (data: object) => Promise<object>): Promise<void> {
    const options = { batchSize: 1, pollingIntervalSeconds: lookEverySeconds };
    const one = () => this.#boss.work<object>(this.#name, options, async ([job]) => work(job?.data ?? {}));
    this.#workers = await Promise.all(Array.from({ length: concurrency }, one));
  }

  async close(timeoutMs: number): Promise<void> {
    await this.#boss.stop({ graceful: true, timeout: timeoutMs, wait: true, close: false });
  }
}
