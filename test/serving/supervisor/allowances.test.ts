import { expect, it } from '@jest/globals';
import type { Database } from '../../../serving/middleware/database/database.ts';
import { Allowances } from '../../../serving/supervisor/allowances.ts';

it('makes no debts of what was asked while there was no rate', async () => {
  const allowances = new Allowances(Promise.reject<Database>(new Error('there is none')));
  for (let lease = 0; lease < 20; lease++) {
    expect((await allowances.lease('a', 1_000, { requestsPerDay: 1_000_000 }, 1_000)).granted).toBe(1_000);
  }
  // The key gets a rate, without a restart.
  const { granted } = await allowances.lease(
    'a',
    5,
    { requestsPerSecond: 10, requestsPerDay: 1_000_000 },
    2_000,
  );
  expect(granted).toBe(5);
  await allowances.close();
});
