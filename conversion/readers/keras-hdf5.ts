import { ConversionError } from '../errors.ts';
import type { KerasDialect, KerasModel, LayerConfig } from '../keras/model.ts';
import { withHdf5 } from './hdf5.ts';
import { type Hdf5File, textAttribute } from './hdf5-file.ts';
import { legacyWeights } from './keras-weights.ts';
import { withTypedOperands } from './operand-types.ts';
import { parsePythonJson } from './python-json.ts';
import type { Reader } from './reader.ts';

const signature = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a);

/** A model's config from its JSON. @throws ConversionError CONVERSION_SOURCE_CORRUPT */
export function parseConfig(text: string, where: string): LayerConfig {
  let config: LayerConfig;
  try {
    config = parsePythonJson(withTypedOperands(text)) as LayerConfig;
  } catch (error) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `${where} is not JSON: ${(error as Error).message}`,
    );
  }
  if (typeof config?.class_name !== 'string' || config.config === null || typeof config.config !== 'object') {
    throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${where} is not a Keras model`);
  }
  return config;
}

/** Which Keras wrote a version number. */
export const dialectOf = (version: string | undefined): KerasDialect =>
  version?.startsWith('3') ? 'keras-3' : 'keras-2';

async function read(path: string): Promise<{ dialect: string; model: KerasModel }> {
  return withHdf5([path], (files) => {
    const [file] = files as [Hdf5File];
    const text = textAttribute(file.root, 'model_config');
    if (text === undefined) {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        'The file holds weights without the model; give the model as JSON (`model.to_json()`) beside it, or save with `model.save(...)`',
      );
    }
    const root = file.group(file.root, 'model_weights');
    if (root === undefined)
      throw new ConversionError('CONVERSION_SOURCE_CORRUPT', 'The group model_weights is missing');
    const dialect = dialectOf(
      textAttribute(file.root, 'keras_version') ?? textAttribute(root, 'keras_version'),
    );
    const config = parseConfig(text, 'model_config');
    const weights = legacyWeights(file, root, config, dialect);
    return { dialect, model: { kind: 'keras', dialect, config, weights } };
  });
}

/**
 * Keras HDF5 (`model.save('model.h5')`), written by Keras 2 and Keras 3.
 * Layout: attribute `model_config` (JSON), group `model_weights/<layer>/<variable>`.
 * @see https://github.com/keras-team/keras/blob/master/keras/src/legacy/saving/legacy_h5_format.py
 */
export const kerasHdf5: Reader = {
  extensions: ['.h5', '.hdf5'],
  matches: (head) => signature.every((byte, i) => head[i] === byte),
  files: async (path) => [path],
  read,
};
