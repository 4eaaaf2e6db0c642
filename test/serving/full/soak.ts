import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readServerState } from '../../../serving/contract/index.ts';
import { scaledSum } from '../support/models.ts';
import { faultsOf, OpenLoop, sumsTarget } from '../support/open-loop.ts';
import { startServer } from '../support/server.ts';

/** What a process holds, MiB, each time after a garbage collection. */
export interface Memory {
  readonly residentMiB: number;
  readonly heapMiB: number;
  readonly externalMiB: number;
}

export interface Soak {
  readonly answers: number;
  readonly faults: Record<string, number>;
  /** Of the supervisor and of each worker, a sample each so many seconds. */
  readonly memory: readonly (readonly Memory[])[];
}

/** What writes down what each process holds: support/memory-probe.mjs. */
export const probe = fileURLToPath(new URL('../support/memory-probe.mjs', import.meta.url));
const sampleEverySeconds = 5;

/** Resident memory of a process in MiB; Linux only. */
export function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Load at a fixed rate for so long, each answer checked; the memory of each process meanwhile. */
export async function soak(seconds: number, requestsPerSecond: number): Promise<Soak> {
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-memory-'));
  const server = await startServer(
    { sums: { 1: scaledSum(2) } },
    { workers: 2, recordInputs: true },
    { MEMORY_PROBE: folder, NODE_OPTIONS: `--expose-gc --import=${probe}` },
  );
  try {
    const workers = (await readServerState(server.settings.stateDir))?.workers ?? [];
    const load = new OpenLoop(sumsTarget(server.rest, [2]), requestsPerSecond, 16);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const outcomes = await load.stop();
    const memory = [server.state.pid, ...workers.map(({ pid }) => pid)].map((pid) => {
      const lines = readFileSync(join(folder, `${pid}.jsonl`), 'utf8')
        .trim()
        .split('\n');
      return lines.map((line) => JSON.parse(line) as Memory);
    });
    return { answers: outcomes.length, faults: faultsOf(outcomes), memory };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
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
