import type { PGlite } from '@electric-sql/pglite';

/**
 * Makes room of deleted and replaced rows usable again. A Postgres server does so by itself (autovacuum); the embedded one has no
 * process for it, and would grow for ever. Table by table: statements of others get their turn between two.
 */
export async function vacuum(pglite: PGlite): Promise<void> {
  const { rows } = await pglite.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'`,
  );
  for (const { name } of rows) await pglite.exec(`VACUUM ${name}`);
}
