import { createHash } from 'node:crypto';
import { access, open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConversionError, unreadable } from '../errors.ts';
import { kerasArchive } from './keras-archive.ts';
import { kerasConfig } from './keras-config.ts';
import { kerasHdf5 } from './keras-hdf5.ts';
import { onnx } from './onnx.ts';
import type { Reader, SourceModel } from './reader.ts';
import { savedModel } from './saved-model.ts';
import { tfjsLayers } from './tfjs-layers.ts';
import { tflite } from './tflite.ts';

/** Every source format, by the name that the manifest records. */
export const readers = {
  'keras-hdf5': kerasHdf5,
  'keras-archive': kerasArchive,
  'keras-config': kerasConfig,
  'saved-model': savedModel,
  'tfjs-layers': tfjsLayers,
  onnx,
  tflite,
} as const satisfies Record<string, Reader>;

export type SourceFormat = keyof typeof readers;

/** What a source is, before it is read. */
export interface SourceIdentity {
  readonly path: string;
  readonly format: SourceFormat;
  /** Of the file's bytes; with several files, of their digests in order. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

async function headOf(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(64), 0, 64, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error as Error);
  }
}

const rows = Object.entries(readers) as [SourceFormat, Reader][];

/** The row of a folder, by the file that tells. */
async function rowOfFolder(path: string): Promise<[SourceFormat, Reader]> {
  for (const row of rows) {
    const marker = row[1].folderWith;
    const isThere = (file: string) =>
      access(file).then(
        () => true,
        () => false,
      );
    if (marker !== undefined && (await isThere(join(path, marker)))) return row;
  }
  throw new ConversionError('CONVERSION_UNKNOWN_FORMAT', `${path} is a folder, but not a SavedModel`);
}

/** The row of a file, by its first bytes and then by its name. */
async function rowOfFile(path: string): Promise<[SourceFormat, Reader]> {
  const head = await headOf(path);
  const named = rows.filter(([, reader]) =>
    reader.extensions.some((end) => path.toLowerCase().endsWith(end)),
  );
  const found =
    named.find(([, reader]) => reader.matches(head)) ?? rows.find(([, reader]) => reader.matches(head));
  if (found === undefined) {
    if (named[0] !== undefined) {
      throw new ConversionError(
        'CONVERSION_SOURCE_CORRUPT',
        `${path} does not begin as a ${named[0][0]} file does`,
      );
    }
    throw new ConversionError('CONVERSION_UNKNOWN_FORMAT', `${basename(path)} is in no known format`);
  }
  return found;
}

/** In pieces through one buffer: a stream takes another for each. */
async function digestOf(path: string): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(Math.min((await file.stat()).size + 1, 2 ** 20));
    for (let sizeBytes = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return { sha256: hash.digest('hex'), sizeBytes };
      hash.update(buffer.subarray(0, bytesRead));
      sizeBytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/**
 * Finds the format by the first bytes, then by the name.
 * @throws ConversionError CONVERSION_NO_SUCH_FILE, CONVERSION_UNKNOWN_FORMAT, CONVERSION_SOURCE_CORRUPT
 */
export async function identify(path: string): Promise<SourceIdentity> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const [format, reader] = isFolder ? await rowOfFolder(path) : await rowOfFile(path);
  const digests: string[] = [];
  let sizeBytes = 0;
  for (const file of await reader.files(path)) {
    const found = await digestOf(file).catch((error: Error) => {
      throw unreadable(file, error);
    });
    sizeBytes += found.sizeBytes;
    digests.push(found.sha256);
  }
  const sha256 =
    digests.length === 1
      ? (digests[0] as string)
      : createHash('sha256').update(digests.join('\n')).digest('hex');
  return { path, format, sha256, sizeBytes };
}

/** @throws ConversionError where the file is damaged or holds what is not supported. */
export async function readSource(source: SourceIdentity): Promise<{ dialect: string; model: SourceModel }> {
  return readers[source.format].read(source.path);
}
