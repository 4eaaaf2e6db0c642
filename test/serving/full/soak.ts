import { readFileSync } from 'node:fs';
import { readServerState } from '../../../serving/contract/index.ts';
import { scaledSum } from '../support/models.ts';
import { faultsOf, OpenLoop, sumsTarget } from '../support/open-loop.ts';
import { startServer } from '../support/server.ts';

export interface Soak {
  readonly answers: number;
  readonly faults: Record<string, number>;
  /** Resident memory of the supervisor and of each worker, MiB, a sample each so many seconds. */
  readonly residentMiB: readonly number[][];
}

const sampleEverySeconds = 5;

/** Resident memory of a process in MiB; Linux only. */
export function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Load at a fixed rate for so long, each answer checked; the memory of each process meanwhile. */
export async function soak(seconds: number, requestsPerSecond: number): Promise<Soak> {
  const server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2, recordInputs: true });
  try {
    const workers = (await readServerState(server.settings.stateDir))?.workers ?? [];
    const pids = [server.state.pid, ...workers.map(({ pid }) => pid)];
    const load = new OpenLoop(sumsTarget(server.rest, [2]), requestsPerSecond, 16);
    const samples: number[][] = [];
    for (let at = 0; at < seconds; at += sampleEverySeconds) {
      await new Promise((resolve) => setTimeout(resolve, sampleEverySeconds * 1000));
      samples.push(pids.map(residentMiB));
    }
    const outcomes = await load.stop();
    return { answers: outcomes.length, faults: faultsOf(outcomes), residentMiB: samples };
  } finally {
    await server.stop();
  }
}

/** Least squares over the later half, when caches and heaps have found their size: MiB an hour, with its standard error. */
export function slopeOf(samples: readonly number[]): { readonly perHour: number; readonly error: number } {
  const late = samples.slice(Math.floor(samples.length / 2));
  const middle = (late.length - 1) / 2;
  const mean = late.reduce((sum, value) => sum + value, 0) / late.length;
  const spread = late.reduce((sum, _, at) => sum + (at - middle) ** 2, 0);
  const slope = late.reduce((sum, value, at) => sum + (at - middle) * (value - mean), 0) / spread;
  const rest = late.reduce((sum, value, at) => sum + (value - mean - slope * (at - middle)) ** 2, 0);
  const hours = sampleEverySeconds / 3600;
  return { perHour: slope / hours, error: Math.sqrt(rest / (late.length - 2) / spread) / hours };
}
