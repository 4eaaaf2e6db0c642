/** 30 minutes of load: `npm run test:full -- serving`. */
import { fullCount } from '../../support/full-count.ts';
import { type Memory, slopeOf, soak } from './soak.ts';

const minutes = 30;
const requestsPerSecond = 100;

const parts = {
  'JavaScript heap': (memory: Memory) => memory.heapMiB,
  external: (memory: Memory) => memory.externalMiB,
  resident: (memory: Memory) => memory.residentMiB,
} as const;

await fullCount(import.meta.url, {
  title: 'Soak',
  what: `${minutes} minutes at ${requestsPerSecond} requests a second with predictions recorded, each answer checked; memory every 5 s, each time after a garbage collection, so that what is kept for requests shows and garbage does not; resident memory also moves with what the system takes back and gives again. Medians of the last half's two halves, and the slope of that half ± its standard error; resident memory must not grow by more than 5 % from one to the other.`,
  chunks: 1,
  run: () => soak(minutes * 60, requestsPerSecond),
  report([seen]) {
    if (seen === undefined || Object.keys(seen.faults).length > 0)
      throw new Error(`faults: ${JSON.stringify(seen?.faults)}`);
    const rows = ['supervisor', 'worker 1', 'worker 2'].flatMap((name, index) =>
      Object.entries(parts).map(([part, of]) => {
        const samples = (seen.memory[index] as readonly Memory[]).map(of);
        const quarter = Math.floor(samples.length / 4);
        const third = median(samples.slice(2 * quarter, 3 * quarter));
        const last = median(samples.slice(3 * quarter));
        if (part === 'resident' && last > third * 1.05)
          throw new Error(`${name} grew from ${third} to ${last} MiB`);
        const { perHour, error } = slopeOf(samples);
        return [
          `${name}, ${part}`,
          `${third.toFixed(1)} -> ${last.toFixed(1)} MiB, ${perHour.toFixed(1)} ± ${error.toFixed(1)} MiB an hour`,
        ] as const;
      }),
    );
    return { answers: seen.answers, 'failed or wrong': 0, ...Object.fromEntries(rows) };
  },
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
