import { join } from 'node:path';
import type { ServingSettings } from '../../contract/index.ts';
import type { Database } from './database.ts';
import { openEmbeddedDatabase } from './embedded.ts';

/** The database of a server: the Postgres of its settings, or the embedded one in its state folder. */
export async function openDatabase({
  database,
  stateDir,
}: Pick<ServingSettings, 'database' | 'stateDir'>): Promise<Database> {
  if (database === undefined) return openEmbeddedDatabase(join(stateDir, 'database'));
  const { openPostgres } = await import('./postgres.ts');
  return openPostgres(database);
}
