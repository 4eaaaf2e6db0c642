import { randomUUID } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';

/** Written whole or not at all, for others may be starting at the same time. */
export function writeWhole(path, write) {
  const unfinished = `${path}.${randomUUID()}.part`;
  try {
    write(unfinished);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  }
}
