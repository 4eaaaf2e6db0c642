import { PGlite } from '@electric-sql/pglite';
import { expect, it } from '@jest/globals';
import { vacuum } from '../../../serving/middleware/database/vacuum.ts';

it('lets new rows take the room of deleted ones', async () => {
  const pglite = await PGlite.create();
  await pglite.exec('CREATE TABLE "of, which" (round int, data text)');
  const bytes = async () =>
    Number(
      (await pglite.query<{ n: number }>(`SELECT pg_total_relation_size('"of, which"') AS n`)).rows[0]?.n,
    );
  const seen: number[] = [];
  for (let round = 0; round < 6; round++) {
    await pglite.query(`INSERT INTO "of, which" SELECT $1, repeat('x', 1000) FROM generate_series(1, 1000)`, [
      round,
    ]);
    await pglite.query('DELETE FROM "of, which" WHERE round < $1', [round]);
    await vacuum(pglite);
    seen.push(await bytes());
  }
  // Two rounds are there at once, before the earlier is deleted; without a vacuum it would be six times the first.
  expect(seen.at(-1)).toBeLessThan(2.5 * (seen[0] as number));
  await pglite.close();
}, 60_000);
