import { type ChildProcess, fork } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Database, Row } from './database.ts';
import type { DatabaseAnswer, DatabaseCall } from './embedded-process.ts';

const entry = fileURLToPath(new URL('./embedded-process.mjs', import.meta.url));

interface Waiting {
  resolve(rows: readonly Row[]): void;
  reject(error: Error): void;
}

/** The process that PGlite runs in, as questions and answers. */
class DatabaseProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #gone: Error | undefined;
  /** What it is in the middle of counts for nothing when nobody waits for it any more. */
  readonly #kill = () => void this.#child.kill('SIGKILL');

  constructor(folder: string) {
    this.#child = fork(entry, [folder], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer) => this.#receive(answer as DatabaseAnswer));
    this.#child.on('error', (error) => this.#end(error));
    this.#child.on('exit', () => this.#end(new Error('the embedded database has ended')));
    this.#child.unref();
    this.#child.channel?.unref();
    process.on('exit', this.#kill);
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  ask(call: DatabaseCall): Promise<readonly Row[]> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      // First: where the parameters cannot travel, nobody waits for them.
      this.#child.send({ id, ...call }, (error) => error && this.#end(error));
      this.#waiting.set(id, { resolve, reject });
      // A process that waits for nothing but an answer must not end before it is there.
      this.#child.channel?.ref();
    });
  }

  #receive({ id, rows, fault }: DatabaseAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#child.channel?.unref();
    if (fault === undefined) waiting?.resolve(rows);
    else waiting?.reject(Object.assign(new Error(fault.message), { code: fault.code }));
  }

  #end(error: Error): void {
    this.#gone ??= error;
    process.off('exit', this.#kill);
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    try {
      if (this.#gone === undefined) await this.ask({ call: 'close' });
    } finally {
      this.#kill();
    }
  }
}

/** One that ends is started again, but not more often. */
const restartAfterMs = 1_000;

/**
 * Postgres on a folder, in a process of its own: making a new database takes seconds, in which nobody else must wait, and its memory
 * would be copied, page table by page table, for every worker that starts. One such process only: two openers lose acknowledged rows,
 * so nobody but the supervisor may call this. Where the process is killed, what was committed is there for the next one.
 */
export async function openEmbeddedDatabase(folder: string): Promise<Database> {
  await mkdir(folder, { recursive: true });
  let running = new DatabaseProcess(folder);
  let startedMs = performance.now();
  let isClosed = false;
  let transactions = 0;
  const current = (): DatabaseProcess => {
    const nowMs = performance.now();
    if (running.isGone && !isClosed && nowMs - startedMs > restartAfterMs) {
      running = new DatabaseProcess(folder);
      startedMs = nowMs;
    }
    return running;
  };
  const close = () => {
    isClosed = true;
    return running.close();
  };
  try {
    await running.ask({ call: 'open' });
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
  return {
    query: (sql, parameters = []) => current().ask({ call: 'query', sql, parameters }),
    script: (sql) => current().ask({ call: 'script', sql }),
    async transaction(work) {
      const transaction = ++transactions;
      // All of it is with the one process: the next knows nothing of what this one began.
      const own = current();
      await own.ask({ call: 'begin', transaction });
      try {
        const result = await work((sql, parameters = []) =>
          own.ask({ call: 'query', sql, parameters, transaction }),
        );
        await own.ask({ call: 'commit', transaction });
        return result;
      } catch (error) {
        await own.ask({ call: 'rollback', transaction }).catch(() => {});
        throw error;
      }
    },
    close,
  };
}
