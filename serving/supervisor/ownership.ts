import { constants, copyFile, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { mayTake } from '../taking.ts';

const lookAgainMs = 25;
/** A file that stays empty for so many looks is nobody's: it is filled at once. */
const emptyLooks = 40;
/** What a file system says that knows no hard links. */
const noLinks: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** Undefined where there is no file. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The other process that a file names; undefined where it is gone, or there is no file. */
async function otherOwner(path: string): Promise<number | undefined> {
  let text: string | undefined = '';
  for (let look = 0; look < emptyLooks && text === ''; look++) {
    if (look > 0) await wait(lookAgainMs);
    text = await textOf(path);
  }
  const pid = Number(text);
  return pid > 0 && pid !== process.pid && isAlive(pid) ? pid : undefined;
}

/** Writes this process's pid where there is no file yet: whole or not at all, as far as the file system can. Answers whether it did. */
async function claim(path: string, makeLink: typeof link): Promise<boolean> {
  const mine = `${path}.${process.pid}`;
  try {
    await writeFile(mine, String(process.pid));
    await makeLink(mine, path).catch((error) => {
      if (!noLinks.includes(codeOf(error))) throw error;
      return copyFile(mine, path, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(mine, { force: true });
  }
}

/** Removes the file of a process that is gone; one process at a time, or it might be the file of the one before. */
async function removeStale(path: string): Promise<void> {
  const taking = `${path}.taking`;
  if (!(await mayTake(taking))) return;
  try {
    // Another file may be there by now: that of a process that was gone before this look at it is nobody else's.
    const before = await textOf(path);
    const isStale = before !== undefined && (await otherOwner(path)) === undefined;
    if (isStale && (await textOf(path)) === before) await rm(path, { force: true });
  } finally {
    await rm(taking, { recursive: true, force: true });
  }
}

/**
 * Makes this process the one owner of a state folder: a file with its pid. A file whose process is gone is taken over.
 * @param makeLink of the file system; others know no hard links
 * @returns what gives the folder back.
 * @throws ServingError SERVING_ALREADY_RUNNING, SERVING_BAD_SETTINGS where the folder cannot be written
 */
export async function takeOwnership(stateDir: string, makeLink = link): Promise<() => Promise<void>> {
  const path = join(stateDir, 'owner.pid');
  try {
    await mkdir(stateDir, { recursive: true });
    while (!(await claim(path, makeLink))) {
      const pid = await otherOwner(path);
      if (pid !== undefined) {
        throw new ServingError('SERVING_ALREADY_RUNNING', `Process ${pid} serves from ${stateDir}`);
      }
      await removeStale(path);
    }
    return () => rm(path, { force: true });
  } catch (error) {
    if (error instanceof ServingError) throw error;
    throw new ServingError(
      'SERVING_BAD_SETTINGS',
      `stateDir ${stateDir} cannot be written: ${(error as Error).message}`,
    );
  }
}
