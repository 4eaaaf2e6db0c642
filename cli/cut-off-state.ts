import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Beside each of its files Pulumi's backend of files keeps one of attributes, and writes that one in place: a command that is killed
 * over it leaves it empty, and Pulumi reads the file itself no more ("failed to load checkpoint: EOF"). The file needs no attributes,
 * so that empty ones are removed.
 * @param backend folder of the backend of files
 */
export async function removeCutOffAttributes(backend: string): Promise<void> {
  for (const part of ['stacks', 'locks']) {
    const folder = join(backend, '.pulumi', part);
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    for (const name of names.filter((each) => each.endsWith('.attrs'))) {
      const path = join(folder, name);
      const isEmpty = await stat(path).then(
        ({ size }) => size === 0,
        () => false,
      );
      if (isEmpty) await rm(path, { force: true });
    }
  }
}
