import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ConversionError } from '../errors.ts';
import { withHdf5 } from './hdf5.ts';
import type { Hdf5File } from './hdf5-file.ts';
import { dialectOf, parseConfig } from './keras-hdf5.ts';
import { groupedWeights, legacyWeights } from './keras-weights.ts';
import type { Reader } from './reader.ts';

/** The shards that a `.weights.json` lists; they lie beside it. */
async function shardsOf(path: string): Promise<string[]> {
  let map: Record<string, unknown>;
  try {
    map = (JSON.parse(await readFile(path, 'utf8')) as { weight_map: Record<string, unknown> }).weight_map;
  } catch (error) {
    throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${path}: ${(error as Error).message}`);
  }
  const names = new Set(
    Object.values(map ?? {})
      .flat()
      .map(String),
  );
  const outside = [...names].find((name) => name !== basename(name));
  if (outside !== undefined || names.size === 0) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `${path} ${outside === undefined ? 'names no file' : `names '${outside}', which lies outside its folder`}`,
    );
  }
  return [...names].sort().map((name) => join(dirname(path), name));
}

/** The weights that lie beside a config: of the same name, or the only ones there. */
async function weightsBeside(path: string): Promise<string[]> {
  const names = await readdir(dirname(path));
  const stem = basename(path).replace(/(\.config)?\.json$/, '');
  const candidates = names.filter((name) => /\.(h5|hdf5)$|\.weights\.json$/.test(name));
  const found =
    [`${stem}.weights.h5`, `${stem}.h5`, `${stem}.weights.json`].find((name) => candidates.includes(name)) ??
    candidates.find((name) => name === 'model.weights.h5') ??
    (candidates.length === 1 ? candidates[0] : undefined);
  if (found === undefined) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `${path} is a model without weights; put ${stem}.weights.h5 (\`model.save_weights\`) beside it`,
    );
  }
  const file = join(dirname(path), found);
  return found.endsWith('.json') ? [file, ...(await shardsOf(file))] : [file];
}

/** A model as `model.to_json()` or `config.json`, with the weights of `model.save_weights(...)` beside it. */
export const kerasConfig: Reader = {
  extensions: ['.json'],
  matches: (head) =>
    /^\s*\{\s*"(module|class_name|config|registered_name|keras_version|backend)"/.test(
      new TextDecoder().decode(head),
    ),
  files: async (path) => [path, ...(await weightsBeside(path))],
  async read(path) {
    const text = await readFile(path, 'utf8');
    const config = parseConfig(text, path);
    const files = (await weightsBeside(path)).filter((file) => !file.endsWith('.json'));
    // Keras 2 writes its version, Keras 3 the module of the class.
    const { keras_version: version, module } = config as { keras_version?: string; module?: string };
    const isKeras3 =
      version === undefined ? module !== undefined && !text.includes('"batch_input_shape"') : false;
    const dialect = isKeras3 ? 'keras-3' : dialectOf(version);
    const weights = await withHdf5(files, (opened) => {
      const [first] = opened as [Hdf5File];
      const isLegacy = ['layer_names', 'layer_names0'].some(
        (name) => first.root.attribute(name) !== undefined,
      );
      return isLegacy ? legacyWeights(first, first.root, config, dialect) : groupedWeights(opened, config);
    });
    return { dialect, model: { kind: 'keras', dialect, config, weights } };
  },
};
