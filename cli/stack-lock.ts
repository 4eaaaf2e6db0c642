import { readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../serving/contract/index.ts';

/** What Pulumi's backend of files notes about the command that holds a stack. */
interface Lock {
  readonly pid: number;
  readonly hostname: string;
}

/** A command that was killed together with this one's predecessor may still be on its way out. */
const dyingMs = 2000;

async function locksOf(folder: string): Promise<Lock[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  return Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as Lock),
  ).catch(() => []);
}

/**
 * Whether a stack is held only by commands of this machine that are gone: killed, or cut off with the power. Of a command on another
 * machine nobody here can tell.
 * @param backend folder of the backend of files
 */
export async function isHeldByTheDead(backend: string, stack: string): Promise<boolean> {
  const folder = join(backend, '.pulumi', 'locks', 'organization', 'modelmile', stack);
  const deadline = Date.now() + dyingMs;
  do {
    const locks = await locksOf(folder);
    const isDead = (lock: Lock) => lock.hostname === hostname() && !isAlive(lock.pid);
    if (locks.length > 0 && locks.every(isDead)) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  } while (Date.now() < deadline);
  return false;
}
