import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The CPU quota of this container's cgroup in cores (v2, then v1); undefined where there is none. */
function cgroupCores(): number | undefined {
  const [quota, period] = (read('/sys/fs/cgroup/cpu.max') ?? '').split(' ').map(Number);
  if (quota !== undefined && period !== undefined && quota > 0 && period > 0) return quota / period;
  const quotaUs = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us') ?? -1);
  const periodUs = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_period_us') ?? -1);
  return quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : undefined;
}

/** Cores that this process may use. ONNX Runtime itself ignores cgroups (onnxruntime#29510). */
export function availableCores(): number {
  return Math.min(cgroupCores() ?? Number.POSITIVE_INFINITY, availableParallelism());
}

/** Most workers that are started unasked: each has its own copy of every model. */
const maxWorkersByDefault = 4;

/** How many workers, and how many threads each of their sessions gets: where nothing else is said, together no more than the cores. */
export function plan(
  { workers, threads }: { readonly workers: number; readonly threads: number },
  cores = availableCores(),
): { workers: number; threads: number } {
  const count = workers > 0 ? workers : Math.min(Math.max(1, Math.floor(cores)), maxWorkersByDefault);
  return { workers: count, threads: threads > 0 ? threads : Math.max(1, Math.floor(cores / count)) };
}
