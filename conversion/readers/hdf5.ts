import { statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConversionError } from '../errors.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';
import { ClassicHdf5File } from './hdf5-classic.ts';
import type { Hdf5File, Hdf5Source } from './hdf5-file.ts';
import { withLibrary } from './hdf5-library.ts';
import { limitMsFor, within } from './time-limit.ts';

type Use<T> = (files: readonly Hdf5File[]) => T;

/** What a file in memory, an archive's member, is called in messages. */
const nameOf = (source: Hdf5Source) => (typeof source === 'string' ? source : 'the weights');
const sizeOf = (source: Hdf5Source) => (typeof source === 'string' ? statSync(source).size : source.length);

function withClassic<T>(sources: readonly Hdf5Source[], use: Use<T>): T {
  const opened: ClassicHdf5File[] = [];
  const open = (source: Hdf5Source) => {
    const file = new ClassicHdf5File(source);
    opened.push(file);
    return file;
  };
  const sizeBytes = sources.reduce((sum, source) => sum + sizeOf(source), 0);
  try {
    return within(limitMsFor(sizeBytes), sources.map(nameOf).join(', '), () => use(sources.map(open)));
  } finally {
    for (const file of opened) file.close();
  }
}

/** The library opens files only. */
async function withFiles<T>(
  sources: readonly Hdf5Source[],
  use: (paths: readonly string[]) => Promise<T>,
): Promise<T> {
  return withTemporaryFolder('hdf5', async (folder) => {
    const paths = sources.map((source, i) => (typeof source === 'string' ? source : join(folder, `${i}.h5`)));
    for (const [i, source] of sources.entries())
      if (typeof source !== 'string') await writeFile(paths[i] as string, source);
    return use(paths);
  });
}

/**
 * Opens files, hands them to `use` and closes them. What is not as Keras writes it, the damaged included, is left to the library.
 * @throws ConversionError
 */
export async function withHdf5<T>(sources: readonly Hdf5Source[], use: Use<T>): Promise<T> {
  try {
    return withClassic(sources, use);
  } catch (error) {
    if (error instanceof ConversionError) throw error;
    return withFiles(sources, (paths) => withLibrary(paths, use));
  }
}
