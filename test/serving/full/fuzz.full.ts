/** 1,000,000 malformed requests over HTTP and gRPC: `npm run test:full -- serving`. */
import { fullCount } from '../../support/full-count.ts';
import { type FuzzFigures, fuzz } from './fuzz.ts';

const chunks = 10;
const each = { http: 80_000, grpc: 20_000 };
/** What a worker may grow by between a quarter of a chunk and its end, where a leak would show: 75,000 requests. */
const maxGrowth = 1.25;

await fullCount<FuzzFigures>(import.meta.url, {
  title: 'Fuzz',
  what: `Requests of every endpoint, right, nearly right and no HTTP or protobuf at all, by the project's own mutator; ${chunks} servers, one after the other. No crash, no 5xx but 501 and 503, no gRPC UNKNOWN or INTERNAL; the worker's memory, each time after a garbage collection, must not grow by more than a quarter between the first quarter and the end of each server's requests.`,
  chunks,
  run: (_chunk, seed) => fuzz(each.http, each.grpc, seed),
  report(all) {
    const sums = (of: (figures: FuzzFigures) => Record<string, number>) => {
      const total: Record<string, number> = {};
      for (const figures of all)
        for (const [key, count] of Object.entries(of(figures))) total[key] = (total[key] ?? 0) + count;
      return Object.entries(total)
        .map(([key, count]) => `${key}: ${count.toLocaleString('en-US')}`)
        .join(', ');
    };
    const grown = Math.max(...all.map(({ quarterMiB, endMiB }) => endMiB / quarterMiB));
    if (grown > maxGrowth) throw new Error(`memory grew to ${grown} times`);
    return {
      'HTTP requests': all.reduce((sum, { http }) => sum + http, 0),
      'HTTP answers by status': sums(({ statuses }) => statuses),
      'gRPC requests': all.reduce((sum, { grpc }) => sum + grpc, 0),
      'gRPC answers by code': sums(({ codes }) => codes),
      'crashes, faults': 0,
      'memory at the end, of that after a quarter, at most': grown.toFixed(2),
    };
  },
});
