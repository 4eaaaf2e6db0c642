import type { InferenceSession } from 'onnxruntime-node';
import type { Conversion } from '../convert-once.ts';
import { defaultSignatureName } from '../manifest/index.ts';
import { feedsFor } from './profile.ts';
import { openVersion } from './session.ts';

const batches = { oneRowMs: 1, sixteenRowsMs: 16 } as const;
const warmUpRuns = 5;
/** Per candidate and batch. */
const longestMs = 400;
const mostRuns = 200;

export type Latency = Record<keyof typeof batches, number>;

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
    const feeds = feedsFor(conversions[0]!.manifest.signatures[defaultSignatureName]!.inputs, batches[name]);
    for (const { session } of opened) for (let run = 0; run < warmUpRuns; run++) await session.run(feeds);
    const untilMs = performance.now() + longestMs * opened.length;
    for (let run = 0; run < mostRuns && performance.now() < untilMs; run++)
      for (const { session, times } of opened) times[name].push(await timed(session, feeds));
  }
  for (const { session } of opened) await session.release();
  return new Map(
    opened.map(({ conversion, times }) => [
      conversion,
      { oneRowMs: median(times.oneRowMs), sixteenRowsMs: median(times.sixteenRowsMs) },
    ]),
  );
}

async function timed(
  session: InferenceSession,
  feeds: Parameters<InferenceSession['run']>[0],
): Promise<number> {
  const startedMs = performance.now();
  await session.run(feeds);
  return performance.now() - startedMs;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
