import { mkdir } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import type { Database, Row } from './database.ts';

/**
 * Postgres in this process, on a folder. One process only: two openers lose acknowledged rows, so nobody but the supervisor, or a
 * command that holds its lock, may call this.
 */
export async function openEmbeddedDatabase(folder: string): Promise<Database> {
  await mkdir(folder, { recursive: true });
  const pglite = await PGlite.create(folder);
  return {
    query: async (sql, parameters = []) => (await pglite.query<Row>(sql, [...parameters])).rows,
    script: async (sql) => ((await pglite.exec(sql)).at(-1)?.rows ?? []) as Row[],
    transaction: (work) =>
      pglite.transaction((tx) =>
        work(async (sql, parameters = []) => (await tx.query<Row>(sql, [...parameters])).rows),
      ),
    close: () => pglite.close(),
  };
}
