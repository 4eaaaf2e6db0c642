import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import * as z from 'zod';
import { ConversionError } from '../errors.ts';
import type { LayerConfig, Weight } from '../keras/model.ts';
import { parsePythonJson } from './python-json.ts';
import type { Reader } from './reader.ts';

const ModelJson = z.object({
  format: z.string().optional(),
  modelTopology: z.looseObject({}),
  weightsManifest: z.array(
    z.object({
      paths: z.array(z.string()),
      weights: z.array(
        z.looseObject({ name: z.string(), shape: z.array(z.int().min(0)), dtype: z.string() }),
      ),
    }),
  ),
});
type ModelJson = z.infer<typeof ModelJson>;

const corrupt = (path: string, what: string) =>
  new ConversionError('CONVERSION_SOURCE_CORRUPT', `${path}: ${what}`);

async function parse(path: string): Promise<ModelJson> {
  let json: unknown;
  try {
    json = parsePythonJson(await readFile(path, 'utf8'));
  } catch (error) {
    throw corrupt(path, (error as Error).message);
  }
  const parsed = ModelJson.safeParse(json);
  if (!parsed.success)
    throw corrupt(path, 'this JSON is not a TF.js layers model (modelTopology, weightsManifest)');
  return parsed.data;
}

/** Shards lie beside model.json; a path that leads out of its folder is not followed. */
function shardPath(modelPath: string, shard: string): string {
  const relative = normalize(shard);
  if (relative.startsWith('..') || relative.startsWith('/'))
    throw corrupt(modelPath, `shard '${shard}' lies outside`);
  return join(dirname(modelPath), relative);
}

async function readWeights(
  path: string,
  manifest: ModelJson['weightsManifest'],
): Promise<Map<string, Weight[]>> {
  const weights = new Map<string, Weight[]>();
  for (const group of manifest) {
    const shards = await Promise.all(
      group.paths.map((shard) =>
        readFile(shardPath(path, shard)).catch((error: Error) => {
          throw corrupt(path, error.message);
        }),
      ),
    );
    const bytes = Uint8Array.from(Buffer.concat(shards));
    let offset = 0;
    for (const { name, shape, dtype, ...rest } of group.weights) {
      if (dtype !== 'float32' || 'quantization' in rest) {
        throw new ConversionError(
          'CONVERSION_UNSUPPORTED',
          `Variable '${name}' is stored as ${dtype}, quantized or not float32`,
        );
      }
      const count = shape.reduce((product, size) => product * size, 1);
      if (offset + count * 4 > bytes.length) throw corrupt(path, `the shards end within variable '${name}'`);
      const data = new Float32Array(bytes.slice(offset, offset + count * 4).buffer);
      offset += count * 4;
      const parts = name.split('/');
      const layer = parts.at(-2) ?? name;
      const entry = { name: (parts.at(-1) as string).replace(/:\d+$/, ''), shape, data };
      weights.set(layer, [...(weights.get(layer) ?? []), entry]);
    }
  }
  return weights;
}

/** TF.js writes camelCase or snake_case keys, by whether TF.js or the Python converter made the file. */
function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/[a-z0-9][A-Z]/g, (pair) => `${pair[0]}_${(pair[1] as string).toLowerCase()}`),
      snakeCase(inner),
    ]),
  );
}

/**
 * A TF.js layers model: `model.json` with its weight shards beside it.
 * @see https://www.tensorflow.org/js/guide/save_load
 */
export const tfjsLayers: Reader = {
  extensions: ['.json'],
  matches: (head) => head[0] === 0x7b,
  async files(path) {
    const { weightsManifest } = await parse(path);
    return [path, ...weightsManifest.flatMap((group) => group.paths.map((shard) => shardPath(path, shard)))];
  },
  async read(path) {
    const { modelTopology, weightsManifest, format } = await parse(path);
    if (format === 'graph-model') {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `${path} is a TF.js graph model; save it as a layers model`,
      );
    }
    const topology = (modelTopology['model_config'] ?? modelTopology) as LayerConfig;
    const weights = await readWeights(path, weightsManifest);
    return {
      dialect: 'tfjs',
      model: { kind: 'keras', dialect: 'tfjs', config: snakeCase(topology) as LayerConfig, weights },
    };
  },
};
