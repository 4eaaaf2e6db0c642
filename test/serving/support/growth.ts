import { residentMiB } from '../full/soak.ts';

/** Most that a process's memory grows by while `attack` runs, MiB. */
export async function growthOf(pid: number, attack: () => Promise<unknown>): Promise<number> {
  const before = residentMiB(pid);
  let most = before;
  const look = setInterval(() => {
    most = Math.max(most, residentMiB(pid));
  }, 20);
  await attack().finally(() => clearInterval(look));
  return most - before;
}
