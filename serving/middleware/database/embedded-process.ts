import { readdirSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { PGlite, type Transaction } from '@electric-sql/pglite';
import { beSoleProcessOf } from '../../sole-process.ts';
import type { Row } from './database.ts';
import { vacuum } from './vacuum.ts';

/** Nothing that a database does takes longer. */
const patienceMs = 30_000;
const vacuumEveryMs = 3600 * 1000;
/** After it opened: many run for less than an hour at a time. */
const firstVacuumMs = 60_000;

/** What is asked of this process; `transaction` names one that was begun. */
export type DatabaseCall =
  | { readonly call: 'open' | 'close' }
  | {
      readonly call: 'query';
      readonly sql: string;
      readonly parameters: readonly unknown[];
      readonly transaction?: number;
    }
  | { readonly call: 'script'; readonly sql: string }
  | { readonly call: 'begin' | 'commit' | 'rollback'; readonly transaction: number };

export interface DatabaseAnswer {
  readonly id: number;
  readonly rows: readonly Row[];
  readonly fault?: { readonly message: string; readonly code: string | undefined };
}

/** A transaction between its begin and its end; nobody else's statements run meanwhile. */
interface Open {
  readonly tx: Transaction;
  end(isCommitted: boolean): Promise<unknown>;
}

// What is kept for later waits while a request is answered. Linux has a priority for each thread: those that compile are there already.
const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [process.pid];
for (const thread of threads) {
  try {
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended meanwhile.
  }
}
// A terminal tells all of its processes; this one ends with the one that started it, which has to write what waits.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.once('disconnect', () => process.exit());

const database = openWhole(process.argv[2] as string);
// Said to whoever asks.
database.catch(() => {});
// Where it fails, everything else does, and is told.
const vacuumNow = () => void database.then(vacuum).catch(() => {});
setTimeout(vacuumNow, firstVacuumMs).unref();
setInterval(vacuumNow, vacuumEveryMs).unref();
const open = new Map<number, Open>();

/** A new database is made beside its place: a process that ends meanwhile leaves nothing that looks like one. */
async function openWhole(folder: string): Promise<PGlite> {
  await beSoleProcessOf(folder, patienceMs);
  const isThere = await stat(join(folder, 'PG_VERSION')).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      // What cannot be looked at just now is not made anew.
      if (error.code !== 'ENOENT') throw error;
      return false;
    },
  );
  if (!isThere) {
    const beside = `${folder}.new`;
    await rm(beside, { recursive: true, force: true });
    await (await PGlite.create(beside)).close();
    await rm(folder, { recursive: true, force: true });
    await rename(beside, folder);
  }
  return PGlite.create(folder);
}

async function begin(transaction: number): Promise<void> {
  const pglite = await database;
  await new Promise<void>((begun, failed) => {
    const ended = pglite.transaction(async (tx) => {
      const isCommitted = await new Promise<boolean>((decide) => {
        open.set(transaction, {
          tx,
          end(wanted) {
            decide(wanted);
            return ended;
          },
        });
        begun();
      });
      open.delete(transaction);
      if (!isCommitted) await tx.rollback();
    });
    ended.catch(failed);
  });
}

async function answer(call: DatabaseCall): Promise<readonly Row[]> {
  const pglite = await database;
  switch (call.call) {
    case 'open':
      return [];
    case 'query': {
      const { transaction, sql, parameters } = call;
      const target = transaction === undefined ? pglite : (open.get(transaction) as Open).tx;
      return (await target.query<Row>(sql, [...parameters])).rows;
    }
    case 'script':
      return ((await pglite.exec(call.sql)).at(-1)?.rows ?? []) as Row[];
    case 'begin':
      await begin(call.transaction);
      return [];
    case 'close':
      await pglite.close();
      return [];
    default:
      await open.get(call.transaction)?.end(call.call === 'commit');
      return [];
  }
}

process.on('message', async ({ id, ...call }: DatabaseCall & { readonly id: number }) => {
  let answered: DatabaseAnswer;
  try {
    answered = { id, rows: await answer(call as DatabaseCall) };
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    answered = { id, rows: [], fault: { message, code } };
  }
  process.send?.(answered);
});
