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

it('keeps no caller in mind whose allowance is whole again, as there may be any number of them', async () => {
  const allowances = new Allowances(Promise.reject<Database>(new Error('there is none')));
  const limits = { requestsPerSecond: 2 };
  for (let n = 0; n < 1_000; n++) await allowances.lease(`jwt:${n}`, 2, limits, 1_000);
  await allowances.lease('counted', 1, { ...limits, requestsPerDay: 10 }, 1_000);
  await allowances.save(1_900);
  expect(allowances.size).toBe(1_001);
  expect((await allowances.lease('jwt:0', 2, limits, 1_900)).granted).toBe(1);
  await allowances.save(2_000);
  expect(allowances.size).toBe(2);
  await allowances.close();
});

it('takes nothing from anybody when the clock is put back', async () => {
  const allowances = new Allowances(Promise.reject<Database>(new Error('there is none')));
  const limits = { requestsPerSecond: 2, requestsPerDay: 100 };
  await allowances.lease('a', 2, limits, 3_600_000);
  await allowances.lease('a', 2, limits, 1_000);
  expect((await allowances.lease('a', 2, limits, 2_000)).granted).toBe(2);
  await allowances.close();
});

it('lets callers in while the database does not answer', async () => {
  const allowances = new Allowances(new Promise<Database>(() => {}));
  expect((await allowances.lease('a', 1, { requestsPerDay: 100 })).granted).toBe(1);
});
