import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConversionError } from '../errors.ts';
import { ClassicHdf5File } from './hdf5-classic.ts';
import type { Hdf5File, Hdf5Source } from './hdf5-file.ts';
import { withLibrary } from './hdf5-library.ts';

type Use<T> = (files: readonly Hdf5File[]) => T;

function withClassic<T>(sources: readonly Hdf5Source[], use: Use<T>): T {
  const files: ClassicHdf5File[] = [];
  try {
    for (const source of sources) files.push(new ClassicHdf5File(source));
    return use(files);
  } finally {
    for (const file of files) file.close();
  }
}

/** The library opens files only. */
async function withFiles<T>(
  sources: readonly Hdf5Source[],
  use: (paths: readonly string[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-hdf5-'));
  try {
    const paths = sources.map((source, i) => (typeof source === 'string' ? source : join(folder, `${i}.h5`)));
    for (const [i, source] of sources.entries())
      if (typeof source !== 'string') await writeFile(paths[i] as string, source);
    return await use(paths);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
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
