import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../errors.ts';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Makes this process the one owner of a state folder: a file with its pid. A file whose process is gone is taken over.
 * @returns what gives the folder back.
 * @throws ServingError SERVING_ALREADY_RUNNING, SERVING_BAD_SETTINGS where the folder cannot be written
 */
export async function takeOwnership(stateDir: string): Promise<() => Promise<void>> {
  const path = join(stateDir, 'owner.pid');
  try {
    await mkdir(stateDir, { recursive: true });
    for (;;) {
      try {
        // Whole or not at all: whoever saw it empty would take it.
        const mine = `${path}.${process.pid}`;
        await writeFile(mine, String(process.pid));
        await link(mine, path).finally(() => rm(mine, { force: true }));
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const pid = Number(await readFile(path, 'utf8').catch(() => '0'));
      if (pid > 0 && pid !== process.pid && isAlive(pid)) {
        throw new ServingError('SERVING_ALREADY_RUNNING', `Process ${pid} serves from ${stateDir}`);
      }
      await rm(path, { force: true });
    }
  } catch (error) {
    if (error instanceof ServingError) throw error;
    throw new ServingError(
      'SERVING_BAD_SETTINGS',
      `stateDir ${stateDir} cannot be written: ${(error as Error).message}`,
    );
  }
}
