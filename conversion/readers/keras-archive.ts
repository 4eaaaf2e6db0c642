import { unzipSync } from 'fflate';
import { ConversionError } from '../errors.ts';
import { readWhole } from '../large-files.ts';
import { withHdf5 } from './hdf5.ts';
import { dialectOf, parseConfig } from './keras-hdf5.ts';
import { groupedWeights } from './keras-weights.ts';
import type { Reader } from './reader.ts';

const corrupt = (what: string) => new ConversionError('CONVERSION_SOURCE_CORRUPT', what);
/** Keras stores without packing; a packed archive may unpack to this many times its size. */
const maxRatio = 20;
const wanted = /^(config\.json|metadata\.json|model(_\d+)?\.weights\.(h5|json))$/;

/** The members that make up the model. Neither names nor sizes are believed. */
function members(bytes: Uint8Array, path: string): Record<string, Uint8Array> {
  const limit = Math.max(bytes.length * maxRatio, 2 ** 20);
  let total = 0;
  try {
    return unzipSync(bytes, {
      filter(member) {
        if (!wanted.test(member.name)) return false;
        total += member.originalSize;
        if (total > limit || (member.compression === 0 && member.originalSize > bytes.length)) {
          throw new ConversionError(
            'CONVERSION_TOO_LARGE',
            `${path}: '${member.name}' claims ${member.originalSize} bytes in an archive of ${bytes.length}`,
          );
        }
        return true;
      },
    });
  } catch (error) {
    if (error instanceof ConversionError) throw error;
    throw corrupt(`${path}: ${(error as Error).message}`);
  }
}

/**
 * Keras's own archive (`model.save('model.keras')`): a zip of `config.json`, `metadata.json` and `model.weights.h5`, the weights possibly
 * in shards.
 * @see https://keras.io/guides/serialization_and_saving/
 */
export const kerasArchive: Reader = {
  extensions: ['.keras'],
  matches: (head) => head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4,
  files: async (path) => [path],
  async read(path) {
    const files = members(await readWhole(path), path);
    const text = files['config.json'];
    if (text === undefined) throw corrupt(`${path} has no config.json`);
    const config = parseConfig(new TextDecoder().decode(text), 'config.json');
    const metadata = parseMetadata(files['metadata.json']);
    const dialect = dialectOf(metadata);
    const shards = Object.keys(files).filter((name) => name.endsWith('.h5'));
    if (shards.length === 0) throw corrupt(`${path} has no model.weights.h5`);
    const weights = await withHdf5(
      shards.map((name) => files[name] as Uint8Array),
      (opened) => groupedWeights(opened, config),
    );
    return { dialect, model: { kind: 'keras', dialect, config, weights } };
  },
};

function parseMetadata(bytes: Uint8Array | undefined): string | undefined {
  try {
    return (JSON.parse(new TextDecoder().decode(bytes)) as { keras_version?: string }).keras_version;
  } catch {
    return undefined;
  }
}
