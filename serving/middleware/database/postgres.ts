import pg from 'pg';
import type { Database, Row } from './database.ts';

/** A Postgres server, for example RDS: `postgres://user@host/database?sslmode=verify-full`. */
export function openPostgres(url: string): Database {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
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
