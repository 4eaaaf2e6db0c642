import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { ServingSettings } from '../../contract/index.ts';
import type { Database, Row } from './database.ts';

type PostgresSettings = NonNullable<ServingSettings['database']>;

const maxConnections = 4;
const connectTimeoutMs = 5_000;
const statementTimeoutMs = 30_000;

/** A client whose name and password are read when it is made: rotated ones need no restart. */
function clientReading(credentialsDir: string): typeof pg.Client {
  const read = (file: string) => readFileSync(join(credentialsDir, file), 'utf8').trim();
  return class extends pg.Client {
    constructor(config: pg.ClientConfig = {}) {
      super({ ...config, user: read('username'), password: read('password') });
    }
  } as typeof pg.Client;
}

/** A Postgres server, for example RDS. Connections are made when they are needed, and again when they broke. */
export function openPostgres({ host, port, name, credentialsDir, tls }: PostgresSettings): Database {
  const pool = new pg.Pool({
    host,
    port,
    database: name,
    ssl: tls ? { rejectUnauthorized: true } : false,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    application_name: 'modelmile',
    Client: clientReading(credentialsDir),
  });
  // An idle connection that breaks is replaced at the next query, which reports what is wrong if it still is.
  pool.on('error', () => {});
  return {
    query: async (sql, parameters = []) => (await pool.query<Row>(sql, [...parameters])).rows,
    async script(sql) {
      // Without parameters several statements go as one; then there are several results.
      const results: pg.QueryResult<Row> | pg.QueryResult<Row>[] = await pool.query<Row>(sql);
      return (Array.isArray(results) ? results.at(-1)?.rows : results.rows) ?? [];
    },
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
