import { rmSync, type StatsFs } from 'node:fs';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { collect } from './collect.ts';
import { ConversionError } from './errors.ts';

const open = new Set<string>();
process.on('exit', () => {
  // The runtime's own threads may be writing a file still.
  for (const folder of open) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
});

/** Runs what uses a folder that nobody needs afterwards: it goes then, and where the process ends meanwhile. */
export async function removedAfter<T>(folder: string, work: () => Promise<T>): Promise<T> {
  open.add(folder);
  try {
    return await work();
  } finally {
    // What came of the work is more than a folder that cannot be removed.
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    open.delete(folder);
  }
}

/** Bytes that are free. File systems that do not count (some of networks, FUSE) report no blocks in all. */
export const roomOf = ({ blocks, bavail, bsize }: Pick<StatsFs, 'blocks' | 'bavail' | 'bsize'>): number =>
  blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;

/** Files of earlier conversions that nobody holds any more (version-files.ts) are closed soon after a collection. */
const untilClosedMs = 50;

/**
 * Runs what needs a folder for its files.
 * @throws ConversionError CONVERSION_NOT_WRITABLE where none can be made, or `neededBytes` do not fit
 */
export async function withTemporaryFolder<T>(
  purpose: string,
  work: (folder: string) => Promise<T>,
  neededBytes = 0,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `modelmile-${purpose}-`)).catch((error: Error) => {
    throw new ConversionError('CONVERSION_NOT_WRITABLE', `No temporary folder can be made: ${error.message}`);
  });
  return removedAfter(folder, async () => {
    let room = roomOf(await statfs(folder));
    if (room < neededBytes) {
      collect(neededBytes);
      await setTimeout(untilClosedMs);
      room = roomOf(await statfs(folder));
    }
    if (room >= neededBytes) return work(folder);
    throw new ConversionError(
      'CONVERSION_NOT_WRITABLE',
      `${tmpdir()} has room for ${room} bytes, ${neededBytes} are needed for a while`,
    );
  });
}
