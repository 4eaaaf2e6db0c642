import type { PGlite } from '@electric-sql/pglite';

/**
 * Makes room of deleted and replaced rows usable again. A Postgres server does so by itself (autovacuum); the embedded one has no
 * process for it, and would grow for ever. Table by table: statements of others get their turn between two.
 */
export async function vacuum(pglite: PGlite): Promise<void> {
  const { rows } = await pglite.query<{ name: string }>(
    `SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  for (const { name } of rows) await pglite.exec(`VACUUM ${name}`);
}
