import type { KerasModel, LayerConfig } from '../../keras/model.ts';
import { evaluate } from './layers.ts';
import type { Tensor } from './tensor.ts';

export type { Tensor } from './tensor.ts';

/** Everything that a reference run computed, by `<layer>:<call>`, and the model's outputs in order. */
export interface ReferenceRun {
  readonly values: ReadonlyMap<string, Tensor>;
  readonly outputs: readonly Tensor[];
}

/** Any mention of `[layer, call, tensor]` inside a config value, in order. */
function mentions(value: unknown): [string, number][] {
  if (Array.isArray(value)) {
    if (typeof value[0] === 'string' && typeof value[1] === 'number' && typeof value[2] === 'number') {
      return [[value[0], value[1]]];
    }
    return value.flatMap(mentions);
  }
  if (value === null || typeof value !== 'object') return [];
  const history = (value as { keras_history?: unknown }).keras_history;
  return history === undefined ? Object.values(value).flatMap(mentions) : mentions(history);
}

/**
 * Runs a Keras model naively in float64, straight from its config: the reference that the converted model is judged by.
 * It shares nothing with layers/ or keras/graph.ts, so that a mistake there cannot hide here.
 * @param inputs one tensor per model input, in the config's order.
 */
export function runReference(model: KerasModel, inputs: readonly Tensor[]): ReferenceRun {
  const { config } = model.config;
  const layers = (Array.isArray(config) ? config : (config['layers'] as LayerConfig[])) as LayerConfig[];
  const values = new Map<string, Tensor>();
  const nameOf = (layer: LayerConfig) => String(layer.config['name'] ?? layer.name);
  const byName = new Map(layers.map((layer) => [nameOf(layer), layer]));

  const call = (layer: LayerConfig, operands: readonly Tensor[]): Tensor => {
    const run = evaluate[layer.class_name];
    if (run === undefined) throw new Error(`the reference does not know the class '${layer.class_name}'`);
    const weights = model.weights.get(nameOf(layer)) ?? [];
    return run({ layer, dialect: model.dialect, weights, inputs: operands });
  };

  if (model.config.class_name === 'Sequential') {
    let x = inputs[0] as Tensor;
    for (const layer of layers) {
      if (layer.class_name !== 'InputLayer') x = call(layer, [x]);
      values.set(`${nameOf(layer)}:0`, x);
    }
    return { values, outputs: [x] };
  }

  const valueAt = (name: string, index: number): Tensor => {
    const known = values.get(`${name}:${index}`);
    if (known !== undefined) return known;
    const layer = byName.get(name) as LayerConfig;
    const operands = mentions(layer.inbound_nodes?.[index]).map(([from, at]) => valueAt(from, at));
    const value = call(layer, operands);
    values.set(`${name}:${index}`, value);
    return value;
  };
  const fields = config as Record<string, unknown>;
  mentions(fields['input_layers']).forEach(([name], i) => {
    values.set(`${name}:0`, inputs[i] as Tensor);
  });
  return { values, outputs: mentions(fields['output_layers']).map(([name, at]) => valueAt(name, at)) };
}
