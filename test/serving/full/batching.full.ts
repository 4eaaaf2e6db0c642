/** 100,000 requests through the batcher: `npm run test:full -- serving`. */

import { fullCount } from '../../support/full-count.ts';
import { type BatchingFigures, batchingRound } from './batching.ts';

const chunks = 10;
const rounds = 50;
const requestsEach = 200;

await fullCount<BatchingFigures[]>(import.meta.url, {
  title: 'Batching',
  what: `${chunks * rounds} rounds of ${requestsEach} concurrent requests of mixed sizes to three models with random batching settings; 2 % hold a row that the model fails at, 3 % are cancelled, 3 % have no time left. Each caller must get exactly its own rows, or the refusal that is its own fault.`,
  chunks,
  async run(chunk, seed) {
    const all: BatchingFigures[] = [];
    for (let round = 0; round < rounds; round++)
      all.push(await batchingRound(requestsEach, seed + 1000 * chunk + round));
    return all;
  },
  report(chunked) {
    const all = chunked.flat();
    const sum = (of: (figures: BatchingFigures) => number) =>
      all.reduce((total, each) => total + of(each), 0);
    const refused: Record<string, number> = {};
    for (const each of all)
      for (const [code, times] of Object.entries(each.refused)) refused[code] = (refused[code] ?? 0) + times;
    return {
      requests: sum(({ requests }) => requests),
      rows: sum(({ rows }) => rows),
      'answered with their own rows': sum(({ answered }) => answered),
      ...refused,
      'wrong rows or refusals': 0,
      batches: sum(({ batches }) => batches),
      'rows in the largest batch': Math.max(...all.map(({ largestBatch }) => largestBatch)),
    };
  },
});
