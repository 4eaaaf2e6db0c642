import { PGlite } from '@electric-sql/pglite';
import { expect, it } from '@jest/globals';
import { vacuum } from '../../../serving/middleware/database/vacuum.ts';

it.each(['public', 'pgboss'])(
  'lets new rows take the room of deleted ones in the schema %s',
  async (schema) => {
    const pglite = await PGlite.create();
    await pglite.exec(
      `CREATE SCHEMA IF NOT EXISTS ${schema}; CREATE TABLE ${schema}."of, which" (round int, data text)`,
    );
    const bytes = async () =>
      Number(
        (await pglite.query<{ n: number }>(`SELECT pg_total_relation_size('${schema}."of, which"') AS n`))
          .rows[0]?.n,
      );
    const seen: number[] = [];
    for (let round = 0; round < 6; round++) {
      await pglite.query(
        `INSERT INTO ${schema}."of, which" SELECT $1, repeat('x', 1000) FROM generate_series(1, 1000)`,
        [round],
      );
      await pglite.query(`DELETE FROM ${schema}."of, which" WHERE round < $1`, [round]);
      await vacuum(pglite);
      seen.push(await bytes());
    }
    // Two rounds are there at once, before the earlier is deleted; without a vacuum it would be six times the first.
    expect(seen.at(-1)).toBeLessThan(2.5 * (seen[0] as number));
    await pglite.close();
  },
  60_000,
);
