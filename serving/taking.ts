import { mkdir, rm, stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

/** What it is made for lasts milliseconds: who began longer ago than this was cut off. */
const takeMs = 10_000;
const lookAgainMs = 25;

/**
 * Makes a folder that says that this process is taking something; who made it removes it.
 * @returns whether it did: where another process is at it, false a moment later, and where that one was cut off, with the folder gone
 */
export async function mayTake(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const begunMs = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - begunMs > takeMs) await rm(folder, { recursive: true, force: true });
    else await wait(lookAgainMs);
    return false;
  }
}
