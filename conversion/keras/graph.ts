import { ConversionError } from '../errors.ts';
import { declaredShape, type KerasModel, type LayerConfig, layerName, layersOf } from './model.ts';

/** Output `tensor` of call number `call` of a layer. */
export interface TensorRef {
  readonly layer: string;
  readonly call: number;
  readonly tensor: number;
}

/** One call of a layer: a shared layer has several. */
export interface LayerCall {
  readonly layer: LayerConfig;
  readonly inputs: readonly TensorRef[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** A Sequential or Functional model as calls that refer to each other; `calls` is keyed by layer name, index = call number. */
export interface KerasGraph {
  readonly calls: ReadonlyMap<string, readonly LayerCall[]>;
  readonly inputs: readonly TensorRef[];
  readonly outputs: readonly TensorRef[];
}

const corrupt = (what: string) =>
  new ConversionError('CONVERSION_SOURCE_CORRUPT', `The model's config: ${what}`);

function sequentialGraph(model: LayerConfig): KerasGraph {
  let layers = layersOf(model);
  const first = layers[0];
  if (first === undefined) throw corrupt('a Sequential without layers');
  if (first.class_name !== 'InputLayer') {
    const shape =
      declaredShape(first.config) ?? declaredShape({ batch_shape: model.config['build_input_shape'] });
    if (shape === undefined) {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `The model was never built: layer '${layerName(first)}' has no input shape; add an Input layer and save it again`,
      );
    }
    const config = { name: `${layerName(first)}_input`, batch_shape: shape, dtype: first.config['dtype'] };
    layers = [{ class_name: 'InputLayer', config }, ...layers];
  }
  const calls = new Map<string, LayerCall[]>();
  let previous: TensorRef | undefined;
  for (const layer of layers) {
    const name = layerName(layer);
    calls.set(name, [{ layer, inputs: previous === undefined ? [] : [previous], kwargs: {} }]);
    previous = { layer: name, call: 0, tensor: 0 };
  }
  return {
    calls,
    inputs: [{ layer: layerName(layers[0] as LayerConfig), call: 0, tensor: 0 }],
    outputs: [previous as TensorRef],
  };
}

function isRef(value: unknown): value is [string, number, number] {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}

const refOf = ([layer, call, tensor]: readonly [string, number, number]): TensorRef => ({
  layer,
  call,
  tensor,
});

/** Keras 3: `{args, kwargs}` with `__keras_tensor__` objects anywhere inside. */
function keras3Tensors(value: unknown, found: TensorRef[] = []): TensorRef[] {
  if (Array.isArray(value)) for (const item of value) keras3Tensors(item, found);
  else if (value !== null && typeof value === 'object') {
    const { class_name: className, config } = value as {
      class_name?: string;
      config?: { keras_history?: unknown };
    };
    if (className === '__keras_tensor__' && isRef(config?.keras_history))
      found.push(refOf(config.keras_history));
    else for (const item of Object.values(value)) keras3Tensors(item, found);
  }
  return found;
}

function callOf(layer: LayerConfig, node: unknown): LayerCall {
  if (node !== null && typeof node === 'object' && 'args' in node) {
    const { args, kwargs } = node as { args: unknown; kwargs?: Record<string, unknown> };
    return { layer, inputs: keras3Tensors(args), kwargs: kwargs ?? {} };
  }
  if (!Array.isArray(node)) throw corrupt(`layer '${layerName(layer)}' has an inbound node of no known form`);
  const entries = (isRef(node) ? [node] : node) as unknown[];
  const kwargs = (entries[0] as unknown[] | undefined)?.[3];
  return {
    layer,
    inputs: entries.map((entry) => {
      if (!isRef(entry)) throw corrupt(`layer '${layerName(layer)}' has an inbound node of no known form`);
      return refOf(entry);
    }),
    kwargs: (kwargs ?? {}) as Record<string, unknown>,
  };
}

/** `["x", 0, 0]`, or a list of such. */
function refs(value: unknown): TensorRef[] {
  if (isRef(value)) return [refOf(value)];
  if (!Array.isArray(value)) throw corrupt('input_layers or output_layers are missing');
  return value.flatMap(refs);
}

function functionalGraph(model: LayerConfig): KerasGraph {
  const calls = new Map<string, LayerCall[]>();
  for (const layer of layersOf(model)) {
    const name = layerName(layer);
    if (calls.has(name)) throw corrupt(`two layers are called '${name}'`);
    const nodes = layer.inbound_nodes ?? [];
    const isInput = layer.class_name === 'InputLayer';
    calls.set(name, isInput ? [{ layer, inputs: [], kwargs: {} }] : nodes.map((node) => callOf(layer, node)));
  }
  return { calls, inputs: refs(model.config['input_layers']), outputs: refs(model.config['output_layers']) };
}

const graphs: Record<string, (model: LayerConfig) => KerasGraph> = {
  Sequential: sequentialGraph,
  Functional: functionalGraph,
  Model: functionalGraph,
};

/**
 * The calls of a model.
 * @throws ConversionError CONVERSION_UNSUPPORTED for subclassed models, whose code is not in the file.
 */
export function kerasGraph(model: KerasModel): KerasGraph {
  const build = graphs[model.config.class_name];
  if (build !== undefined) return build(model.config);
  throw new ConversionError(
    'CONVERSION_UNSUPPORTED',
    `A model of class '${model.config.class_name}' is defined by Python code that is not in the file; rebuild it as Functional`,
  );
}
