import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConversionError } from '../errors.ts';
import { isModel } from '../keras/graph.ts';
import type { LayerConfig, Weight } from '../keras/model.ts';
import { layerName, layersOf } from '../keras/model.ts';
import { variableSlots } from '../keras/variables.ts';
import { parseConfig } from './keras-hdf5.ts';
import type { Reader } from './reader.ts';
import { fieldsOf, TensorBundle } from './tensor-bundle.ts';

/** Tuples as the lists that they are in every other form: here they are `{class_name: "__tuple__", items}`. */
function untupled<T>(value: T): T {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(untupled) as T;
  const fields = value as Record<string, unknown>;
  if (fields['class_name'] === '__tuple__') return untupled(fields['items']) as T;
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, untupled(item)])) as T;
}

/** The model's config out of `keras_metadata.pb`: the node `root`. */
async function rootConfig(path: string): Promise<LayerConfig> {
  const bytes = await readFile(join(path, 'keras_metadata.pb')).catch(() => {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `${path} is a SavedModel without keras_metadata.pb, as Keras 3 exports it: the layers are not in it; save the model as .keras`,
    );
  });
  for (const node of fieldsOf(bytes).get(1) ?? []) {
    const fields = fieldsOf(node as Uint8Array);
    const text = (id: number) => new TextDecoder().decode(fields.get(id)?.[0] as Uint8Array);
    if (text(3) === 'root') return untupled(parseConfig(text(5), 'keras_metadata.pb'));
  }
  throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${path}: keras_metadata.pb has no model`);
}

/** The layers as a checkpoint numbers them: a Sequential does not count its InputLayer. */
function numberedLayers(model: LayerConfig): readonly LayerConfig[] {
  const layers = layersOf(model);
  const hasInput = model.class_name === 'Sequential' && layers[0]?.class_name === 'InputLayer';
  return hasInput ? layers.slice(1) : layers;
}

/** The attributes that lead from a model to a variable: a layer is `layer-<n>` of its model. */
function attributesOf(layer: LayerConfig, name: string): string[] {
  if (!isModel(layer)) return name.split('/');
  const [, inner, ...rest] = name.split('/');
  const layers = numberedLayers(layer);
  // Layers' own names may have slashes.
  const index = layers.findIndex((child) => name.startsWith(`layers/${layerName(child)}/`));
  const child = layers[index] as LayerConfig;
  const remainder = child === undefined ? rest.join('/') : name.slice(`layers/${layerName(child)}/`.length);
  return [`layer-${index < 0 ? inner : index}`, ...attributesOf(child, remainder)];
}

/**
 * A SavedModel of Keras 2 (`model.save('folder')`): the config from `keras_metadata.pb`, the variables from the checkpoint.
 * @see https://github.com/keras-team/tf-keras/blob/master/tf_keras/protobuf/saved_metadata.proto
 */
export const savedModel: Reader = {
  extensions: [],
  folderWith: 'saved_model.pb',
  matches: () => false,
  async files(path) {
    const variables = (await readdir(join(path, 'variables')).catch(() => [] as string[])).sort();
    const metadata = join(path, 'keras_metadata.pb');
    const hasMetadata = await access(metadata).then(
      () => true,
      () => false,
    );
    return [
      join(path, 'saved_model.pb'),
      ...(hasMetadata ? [metadata] : []),
      ...variables.map((name) => join(path, 'variables', name)),
    ];
  },
  async read(path) {
    try {
      const config = await rootConfig(path);
      const bundle = await TensorBundle.open(join(path, 'variables', 'variables'));
      const weights = new Map<string, Weight[]>();
      for (const [index, layer] of numberedLayers(config).entries()) {
        const found: Weight[] = [];
        for (const slot of variableSlots(layer)) {
          const attributes = attributesOf(layer, slot.name);
          const alternatives = attributes.map((name) => (name.endsWith('_dense') ? `_${name}` : name));
          const numbers =
            (await bundle.variable([`layer-${index}`, ...attributes])) ??
            (await bundle.variable([`layer-${index}`, ...alternatives]));
          if (numbers === undefined)
            throw new Error(`variable '${slot.name}' of layer '${layerName(layer)}' is missing`);
          found.push({ name: slot.name, shape: numbers.shape, data: numbers.data });
        }
        weights.set(layerName(layer), found);
      }
      return { dialect: 'keras-2', model: { kind: 'keras', dialect: 'keras-2', config, weights } };
    } catch (error) {
      if (error instanceof ConversionError) throw error;
      throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${path}: ${(error as Error).message}`);
    }
  },
};
