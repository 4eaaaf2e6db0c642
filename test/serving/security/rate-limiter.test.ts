import { expect, it } from '@jest/globals';
import { ScopedCaller } from '../../../serving/security/caller.ts';
import { RateLimiter } from '../../../serving/security/rate-limiter.ts';

it('keeps only the newest callers in mind, as there may be any number of them', async () => {
  const asked: string[] = [];
  const limiter = new RateLimiter(async (callerId, granted) => {
    asked.push(callerId);
    return { granted, retryAfterMs: 0 };
  });
  const take = (n: number) => limiter.take(new ScopedCaller(`jwt:${n}`, [], { requestsPerSecond: 1_000 }));
  for (let n = 0; n < 20_000; n++) await take(n);
  await take(19_999);
  expect(asked).toHaveLength(20_000);
  await take(0);
  expect(asked.at(-1)).toBe('jwt:0');
});

it('a caller that was refused until midnight asks again when it gets other limits', async () => {
  const limiter = new RateLimiter(async (_id, wanted, { requestsPerDay = 0 }) =>
    requestsPerDay > 1 ? { granted: wanted, retryAfterMs: 0 } : { granted: 0, retryAfterMs: 3_600_000 },
  );
  const take = async (requestsPerDay: number) => limiter.take(new ScopedCaller('a', [], { requestsPerDay }));
  for (let time = 0; time < 2; time++)
    await expect(take(1)).rejects.toMatchObject({ code: 'SERVING_RATE_LIMITED', retryAfterSeconds: 3600 });
  await take(2);
});
