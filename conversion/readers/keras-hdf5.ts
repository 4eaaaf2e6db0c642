import { ConversionError } from '../errors.ts';
import type { KerasModel, LayerConfig, Weight } from '../keras/model.ts';
import { type Dataset, type Group, hdf5 } from './hdf5.ts';
import type { Reader } from './reader.ts';

const signature = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a);

function textAttribute(group: Group, name: string): string | undefined {
  const value = group.attrs[name]?.value;
  return typeof value === 'string' ? value : undefined;
}

/** A list of names; Keras splits lists over 64 KB into `<name>0`, `<name>1`, ... */
function namesAttribute(group: Group, name: string): string[] {
  const whole = group.attrs[name]?.value;
  if (whole !== undefined) return Array.from(whole as ArrayLike<unknown>, String);
  const parts: string[] = [];
  for (let n = 0; group.attrs[`${name}${n}`] !== undefined; n++) {
    parts.push(...Array.from(group.attrs[`${name}${n}`]?.value as ArrayLike<unknown>, String));
  }
  return parts;
}

/** `dense/kernel:0`, `sequential/dense/kernel` -> `kernel`. */
function variableName(path: string): string {
  return (path.split('/').at(-1) as string).replace(/:\d+$/, '');
}

function readWeight(group: Group, path: string, layer: string): Weight {
  const dataset = group.get(path) as Dataset | null;
  const shape = dataset?.shape;
  if (dataset === null || shape === null || shape === undefined || !('value' in dataset)) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `Variable '${path}' of layer '${layer}' is missing`,
    );
  }
  const { value } = dataset;
  const count = shape.reduce((product, size) => product * size, 1);
  const data = typeof value === 'number' ? Float32Array.of(value) : value;
  if (!ArrayBuffer.isView(data) || (data as Float32Array).length !== count) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `Variable '${path}' of layer '${layer}' has the element type ${dataset.dtype}`,
    );
  }
  return { name: variableName(path), shape, data: Float32Array.from(data as Float32Array) };
}

function readWeights(root: Group): Map<string, Weight[]> {
  const weights = new Map<string, Weight[]>();
  for (const layer of namesAttribute(root, 'layer_names')) {
    const group = root.get(layer) as Group | null;
    if (group === null) {
      throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `The weights of layer '${layer}' are missing`);
    }
    const names = namesAttribute(group, 'weight_names');
    weights.set(
      layer,
      names.map((name) => readWeight(group, name, layer)),
    );
  }
  return weights;
}

function parseConfig(text: string | undefined): LayerConfig {
  if (text === undefined) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      'The file holds weights without the model; save it with `model.save(...)`, not `save_weights`',
    );
  }
  try {
    return JSON.parse(text) as LayerConfig;
  } catch (error) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `model_config is not JSON: ${(error as Error).message}`,
    );
  }
}

async function readFile(path: string): Promise<{ dialect: string; model: KerasModel }> {
  const { File } = await hdf5();
  const file = new File(path, 'r');
  try {
    const config = parseConfig(textAttribute(file, 'model_config'));
    const version =
      textAttribute(file, 'keras_version') ??
      textAttribute(file.get('model_weights') as Group, 'keras_version');
    const dialect = version?.startsWith('3') ? 'keras-3' : 'keras-2';
    const root = file.get('model_weights') as Group | null;
    if (root === null)
      throw new ConversionError('CONVERSION_SOURCE_CORRUPT', 'The group model_weights is missing');
    return { dialect, model: { kind: 'keras', dialect, config, weights: readWeights(root) } };
  } finally {
    file.close();
  }
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
  async read(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (error instanceof ConversionError) throw error;
      throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${path}: ${(error as Error).message}`);
    }
  },
};
