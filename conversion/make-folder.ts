import { randomUUID } from 'node:crypto';
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ConversionError } from './errors.ts';

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** What of a path is not there, the outermost first, and the folder that it would begin in. */
async function missing(path: string): Promise<{ from: string; folders: string[] }> {
  const folders: string[] = [];
  let from = resolve(path);
  while (dirname(from) !== from && !(await isThere(from))) {
    folders.unshift(from);
    from = dirname(from);
  }
  return { from, folders };
}

/**
 * A folder with all that it lies in. Not Node's `recursive`, which goes on for ever where a file system says of a new folder that
 * there is no such one, as /proc does.
 * @throws the file system's error
 * @see https://github.com/nodejs/node/blob/v20.20.2/src/node_file.cc MKDirpAsync
 */
export async function makeFolder(path: string): Promise<void> {
  for (const folder of (await missing(path)).folders) {
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      // Somebody else made it in the meantime.
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/**
 * Tells before any work whether a folder can be made; nothing of it stays.
 * @throws ConversionError CONVERSION_NOT_WRITABLE
 */
export async function assertFolderCanBe(path: string): Promise<void> {
  const probe = join((await missing(dirname(resolve(path)))).from, `.${randomUUID()}.part`);
  try {
    await mkdir(probe);
    await rmdir(probe);
  } catch (error) {
    throw new ConversionError('CONVERSION_NOT_WRITABLE', `${path}: ${(error as Error).message}`);
  }
}
