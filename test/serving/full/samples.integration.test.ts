import { describe, expect, it } from '@jest/globals';
import { batchingRound } from './batching.ts';
import { fuzz } from './fuzz.ts';
import { checkHostility, idleConnections, largeBodies } from './hostile.ts';

/** Seeded samples of what `npm run test:full -- serving` runs in full; reloads, kills and the scanner have theirs beside what they test. */
describe('a sample of the full counts', () => {
  it('gives each of 1,000 callers of the batcher exactly its own rows', async () => {
    for (let seed = 1; seed <= 5; seed++)
      expect((await batchingRound(200, seed)).answered).toBeGreaterThan(20);
  });

  it('answers 2,000 malformed requests without a fault or a crash', async () => {
    const { statuses, codes } = await fuzz(1500, 500, 3);
    expect(statuses['400']).toBeGreaterThan(0);
    expect(codes[3]).toBeGreaterThan(0);
  });

  it('refuses bodies that are too large, and holds idle connections, while others are answered', async () => {
    checkHostility(await largeBodies(2, 3e8), 300);
    checkHostility(await idleConnections(500, 1), 300);
  });
});
