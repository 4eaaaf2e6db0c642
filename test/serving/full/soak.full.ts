/** 30 minutes of load: `npm run test:full -- serving`. */
import { fullCount } from '../../support/full-count.ts';
import { slopeOf, soak } from './soak.ts';

const minutes = 30;
const requestsPerSecond = 100;

await fullCount(import.meta.url, {
  title: 'Soak',
  what: `${minutes} minutes at ${requestsPerSecond} requests a second with predictions recorded, each answer checked; resident memory every 5 s. The slope is that of the later half, ± its standard error; growth compares the medians of that half's two halves and must stay below 5 %. A slope of many standard errors is growth all the same: whether it ends is what half an hour cannot say.`,
  chunks: 1,
  run: () => soak(minutes * 60, requestsPerSecond),
  report([seen]) {
    if (seen === undefined || Object.keys(seen.faults).length > 0)
      throw new Error(`faults: ${JSON.stringify(seen?.faults)}`);
    const processes = ['supervisor', 'worker 1', 'worker 2'].map((name, index) => {
      const samples = seen.residentMiB.map((sample) => sample[index] as number);
      const quarter = Math.floor(samples.length / 4);
      const third = median(samples.slice(2 * quarter, 3 * quarter));
      const last = median(samples.slice(3 * quarter));
      if (last > third * 1.05) throw new Error(`${name} grew from ${third} to ${last} MiB`);
      const { perHour, error } = slopeOf(samples);
      return [
        name,
        `${third.toFixed(1)} -> ${last.toFixed(1)} MiB, ${perHour.toFixed(1)} ± ${error.toFixed(1)} MiB an hour`,
      ] as const;
    });
    return { answers: seen.answers, 'failed or wrong': 0, ...Object.fromEntries(processes) };
  },
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
