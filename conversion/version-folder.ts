import { randomUUID } from 'node:crypto';
import { access, open, readdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Conversion } from './convert-once.ts';
import { ConversionError, unreadable } from './errors.ts';
import { readWhole } from './large-files.ts';
import { makeFolder } from './make-folder.ts';
import { manifestDigest, parseManifest } from './manifest/index.ts';
import { removedAfter } from './temporary-folder.ts';
import { chunksOf, type VersionFile } from './version-files.ts';

async function writeDurably(path: string, content: VersionFile): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await writeFile(file, chunksOf(content));
    await file.sync();
  } finally {
    await file.close();
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Writes one version folder (contract: `manifest.json`, `model.onnx`, `model.onnx.data` where there is one): whole or not at all. A folder that is there already is left
 * alone: versions never change.
 * @throws ConversionError CONVERSION_NOT_WRITABLE
 */
export async function writeVersion(conversion: Pick<Conversion, 'files'>, folder: string): Promise<void> {
  if (await exists(join(folder, 'manifest.json'))) return;
  const unfinished = `${folder}.${randomUUID()}.part`;
  const write = async () => {
    await makeFolder(unfinished);
    for (const [name, content] of conversion.files) await writeDurably(join(unfinished, name), content);
    await makeFolder(dirname(folder));
    await rename(unfinished, folder).catch(async (error: NodeJS.ErrnoException) => {
      // Somebody else wrote the same version in the meantime.
      if (!(await exists(join(folder, 'manifest.json')))) throw error;
    });
  };
  await removedAfter(unfinished, write).catch((error: Error) => {
    if (error instanceof ConversionError) throw error;
    throw new ConversionError('CONVERSION_NOT_WRITABLE', `${folder}: ${error.message}`);
  });
}

/** What a version folder is, without its weights. @throws ManifestError, or ConversionError CONVERSION_NO_SUCH_FILE */
export async function readVersionManifest(folder: string): Promise<Omit<Conversion, 'files'>> {
  const path = join(folder, 'manifest.json');
  const manifestBytes = await readWhole(path).catch((error: Error) => {
    throw unreadable(path, error);
  });
  const manifest = parseManifest(manifestBytes, path);
  return { manifest, manifestBytes, digest: manifestDigest(manifestBytes) };
}

/** Reads a version folder back. @throws ManifestError, or ConversionError CONVERSION_NO_SUCH_FILE */
export async function readVersion(folder: string): Promise<Conversion> {
  const version = await readVersionManifest(folder);
  const files = new Map<string, VersionFile>([['manifest.json', version.manifestBytes]]);
  for (const name of (await readdir(folder)).sort())
    if (name.startsWith('model.')) files.set(name, await readWhole(join(folder, name)));
  return { ...version, files };
}
