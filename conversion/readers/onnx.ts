import { realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { ConversionError, unreadable } from '../errors.ts';
import { readWhole } from '../large-files.ts';
import { attachWeights, decodeModel, externalLocations, type ModelProto } from '../onnx/index.ts';
import type { Reader } from './reader.ts';

const isInside = (folder: string, path: string) => {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith(`..${sep}`) && way !== '..' && !isAbsolute(way);
};

/**
 * The file that a model names for its weights. What it names is not believed: only files of the model's own folder are read, or of the
 * one where the model's file really is, as caches of links have them.
 */
async function fileOf(modelPath: string, location: string): Promise<string> {
  const path = resolve(dirname(modelPath), location);
  const refused = () =>
    new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `${modelPath} keeps weights in '${location}', which is no file beside it`,
    );
  if (!isInside(dirname(resolve(modelPath)), path)) throw refused();
  try {
    const [real, folder, modelFolder] = await Promise.all([
      realpath(path),
      realpath(dirname(modelPath)),
      realpath(modelPath).then(dirname),
    ]);
    if (!isInside(folder, real) && !isInside(modelFolder, real)) throw refused();
    if (!(await stat(real)).isFile()) throw refused();
    return real;
  } catch (error) {
    if (error instanceof ConversionError) throw error;
    throw unreadable(path, error as Error);
  }
}

const messageOf = async (path: string) => decodeModel(await readWhole(path), path);

/**
 * An ONNX model with all of its weights, also those that lie in files beside it.
 * @throws ConversionError CONVERSION_SOURCE_CORRUPT, CONVERSION_NO_SUCH_FILE, CONVERSION_OUT_OF_MEMORY
 */
export async function readModel(path: string): Promise<ModelProto> {
  const model = await messageOf(path);
  // A file has many names, and is read once.
  const contents = new Map<string, Uint8Array>();
  const files = new Map<string, Uint8Array>();
  for (const location of externalLocations(model)) {
    const file = await fileOf(path, location);
    const bytes = contents.get(file) ?? (await readWhole(file));
    contents.set(file, bytes);
    files.set(location, bytes);
  }
  attachWeights(model, files, path);
  return model;
}

/** ONNX as it is, the weights in the file or in others beside it. */
export const onnx: Reader = {
  extensions: ['.onnx'],
  // Field 1 (ir_version) as a varint comes first in every writer that was seen; the extension decides otherwise.
  matches: (head) => head[0] === 0x08,
  async files(path) {
    const locations = externalLocations(await messageOf(path));
    return [path, ...new Set(await Promise.all(locations.map((location) => fileOf(path, location))))];
  },
  read: async (path) => ({ dialect: 'onnx', model: { kind: 'onnx', model: await readModel(path) } }),
};
