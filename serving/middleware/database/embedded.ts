import { mkdir } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { Database, Row } from './database.ts';
import type { ThreadAnswer, ThreadCall } from './embedded-thread.ts';

interface Waiting {
  resolve(rows: readonly Row[]): void;
  reject(error: Error): void;
}

/** The thread that PGlite runs on, as questions and answers. */
class DatabaseThread {
  readonly #thread: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #gone: Error | undefined;

  constructor(folder: string) {
    this.#thread = new Worker(new URL('./embedded-thread.mjs', import.meta.url), { workerData: folder });
    this.#thread.on('message', (answer: ThreadAnswer) => this.#receive(answer));
    this.#thread.on('error', (error) => this.#end(error));
    this.#thread.on('exit', () => this.#end(new Error('the embedded database has ended')));
    this.#thread.unref();
  }

  ask(call: ThreadCall): Promise<readonly Row[]> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      // First: where the parameters cannot travel, nobody waits for them.
      this.#thread.postMessage({ id, ...call });
      this.#waiting.set(id, { resolve, reject });
      // A process that waits for nothing but an answer must not end before it is there.
      this.#thread.ref();
    });
  }

  #receive({ id, rows, fault }: ThreadAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#thread.unref();
    if (fault === undefined) waiting?.resolve(rows);
    else waiting?.reject(Object.assign(new Error(fault.message), { code: fault.code }));
  }

  #end(error: Error): void {
    this.#gone ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    try {
      if (this.#gone === undefined) await this.ask({ call: 'close' });
    } finally {
      await this.#thread.terminate();
    }
  }
}

/**
 * Postgres in this process, on a folder, on a thread of its own: making a new database takes seconds, in which nobody else must
 * wait. One process only: two openers lose acknowledged rows, so nobody but the supervisor, or a command that holds its lock, may
 * call this.
 */
export async function openEmbeddedDatabase(folder: string): Promise<Database> {
  await mkdir(folder, { recursive: true });
  const thread = new DatabaseThread(folder);
  let transactions = 0;
  try {
    await thread.ask({ call: 'open' });
  } catch (error) {
    await thread.close().catch(() => {});
    throw error;
  }
  return {
    query: (sql, parameters = []) => thread.ask({ call: 'query', sql, parameters }),
    script: (sql) => thread.ask({ call: 'script', sql }),
    async transaction(work) {
      const transaction = ++transactions;
      await thread.ask({ call: 'begin', transaction });
      try {
        const result = await work((sql, parameters = []) =>
          thread.ask({ call: 'query', sql, parameters, transaction }),
        );
        await thread.ask({ call: 'commit', transaction });
        return result;
      } catch (error) {
        await thread.ask({ call: 'rollback', transaction }).catch(() => {});
        throw error;
      }
    },
    close: () => thread.close(),
  };
}
