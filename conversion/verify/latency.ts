import type { InferenceSession } from 'onnxruntime-node';
import type { Conversion } from '../convert-once.ts';
import { runsFor } from './profile.ts';
import { openVersion } from './session.ts';

const batches = { oneRowMs: 1, sixteenRowsMs: 16 } as const;
const warmUpRuns = 5;
/** Per candidate and batch. */
const longestMs = 400;
const mostRuns = 200;

export type Latency = Record<keyof typeof batches, number>;

/** A model, with the runs that one answer takes. */
interface Able {
  readonly session: InferenceSession;
  readonly runs: ReturnType<typeof runsFor>;
}

/**
 * Median times of models on this machine, one thread, run in turns: what disturbs the machine disturbs all of them alike. A model
 * whose batch is fixed is measured at that.
 */
export async function measureLatency(conversions: readonly Conversion[]): Promise<Map<Conversion, Latency>> {
  const opened = await Promise.all(
    conversions.map(async (conversion) => ({
      conversion,
      session: await openVersion(conversion.files),
      times: { oneRowMs: [] as number[], sixteenRowsMs: [] as number[] },
    })),
  );
  for (const name of Object.keys(batches) as (keyof Latency)[]) {
    const able = opened.map((each) => ({ ...each, runs: runsFor(each.conversion.manifest, batches[name]) }));
    for (const each of able) for (let run = 0; run < warmUpRuns; run++) await timed(each);
    const untilMs = performance.now() + longestMs * opened.length;
    for (let run = 0; run < mostRuns && performance.now() < untilMs; run++)
      for (const each of able) each.times[name].push(await timed(each));
  }
  for (const { session } of opened) await session.release();
  return new Map(
    opened.map(({ conversion, times }) => [
      conversion,
      { oneRowMs: median(times.oneRowMs), sixteenRowsMs: median(times.sixteenRowsMs) },
    ]),
  );
}

async function timed({ session, runs }: Able): Promise<number> {
  const startedMs = performance.now();
  for (const feeds of runs) await session.run(feeds);
  return performance.now() - startedMs;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
