import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Kernel clock ticks a second; 100 on every Linux that Node supports. */
const ticksPerSecond = 100;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

function stat(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, field 2, may hold anything; what counts begins behind its closing parenthesis.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [, parent, utime, stime] = [fields[0], fields[1], fields[11], fields[12]];
    return { pid: Number(pid), parent: Number(parent), ticks: Number(utime) + Number(stime) };
  } catch {
    return undefined;
  }
}

/** A process and all below it. */
function treeOf(root: number): Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => stat(pid) ?? []);
  const tree = new Set([root]);
  for (let size = 0; size !== tree.size; ) {
    size = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  return all.filter(({ pid }) => tree.has(pid));
}

/** CPU seconds that a process and all below it have used so far, user and system. Linux only. */
export function cpuSeconds(root: number): number {
  return treeOf(root).reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond;
}

/** Has a process and all below it, with all of their threads, run on these cores alone, as taskset(1) writes them. */
export function keepOn(cores: string, root: number): void {
  for (const { pid } of treeOf(root))
    execFileSync('taskset', ['-apc', cores, String(pid)], { stdio: 'ignore' });
}

/** A server that answers may still be starting the rest of itself: that is no request's cost. */
export async function untilIdle(root: number): Promise<void> {
  for (let second = 0; second < 60; second++) {
    const before = cpuSeconds(root);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (cpuSeconds(root) - before < 0.1) return;
  }
}
