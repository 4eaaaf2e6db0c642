import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { ServingSettings } from '../../contract/index.ts';
import type { Database, Row } from './database.ts';

/** A Postgres server, for example RDS. The credentials are read again at every connection: rotated passwords need no restart. */
export async function openPostgres(server: NonNullable<ServingSettings['database']>): Promise<Database> {
  const credential = async (name: string) =>
    (await readFile(join(server.credentialsDir, name), 'utf8')).trim();
  const pool = new pg.Pool({
    host: server.host,
    port: server.port,
    database: server.name,
    user: await credential('username'),
    password: () => credential('password'),
    ssl: server.tls,
    max: 4,
  });
  // An idle connection that the server closes is not an error: the next query opens another.
  pool.on('error', () => {});
  return {
    query: async (sql, parameters = []) => (await pool.query<Row>(sql, [...parameters])).rows,
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        const result = await work(
          async (sql, parameters = []) => (await client.query<Row>(sql, [...parameters])).rows,
        );
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {});
        throw error;
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}
