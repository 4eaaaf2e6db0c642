import { ConversionError } from '../errors.ts';
import { declaredShape, type LayerConfig, layerName, layersOf } from './model.ts';

/** Output `tensor` of call number `call` of a layer; without a number all of them, of which the config does not say how many there are. */
export class TensorRef {
  readonly layer: string;
  readonly call: number;
  readonly tensor: number | undefined;

  constructor(layer: string, call: number, tensor?: number) {
    this.layer = layer;
    this.call = call;
    this.tensor = tensor;
  }
}

/** `start:stop:step` of an index; null is "left out". */
export class Slice {
  readonly start: unknown;
  readonly stop: unknown;
  readonly step: unknown;

  constructor(config: Readonly<Record<string, unknown>>) {
    this.start = config['start'] ?? null;
    this.stop = config['stop'] ?? null;
    this.step = config['step'] ?? null;
  }
}

/** `...` of an index. */
export const ellipsis = Symbol('...');

/** Numbers of which the file says the type: arrays, and what Keras 3 takes for a float though it is whole. */
export class TypedNumbers {
  readonly value: unknown;
  /** As NumPy calls it. */
  readonly dtype: string;

  constructor(value: unknown, dtype: string) {
    this.value = value;
    this.dtype = dtype;
  }
}

/** An argument as JSON alone has it. */
export function untyped(value: unknown): unknown {
  if (value instanceof TypedNumbers) return value.value;
  return Array.isArray(value) ? value.map(untyped) : value;
}

/** One call of a layer: a shared layer has several. Arguments are JSON with TensorRef, TypedNumbers, Slice and `ellipsis` inside. */
export interface LayerCall {
  readonly layer: LayerConfig;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Every tensor among `args`, in order. */
  readonly inputs: readonly TensorRef[];
}

/** A Sequential or Functional model as calls that refer to each other. */
export interface KerasGraph {
  /** By layer name, index = call number. */
  readonly calls: ReadonlyMap<string, readonly LayerCall[]>;
  readonly inputs: readonly TensorRef[];
  /** Of a Sequential one reference, to all outputs of the last layer. */
  readonly outputs: readonly TensorRef[];
}

const callOf = (
  layer: LayerConfig,
  args: readonly unknown[],
  kwargs: LayerCall['kwargs'] = {},
): LayerCall => ({
  layer,
  args,
  kwargs,
  inputs: refsIn(args),
});

const corrupt = (what: string) =>
  new ConversionError('CONVERSION_SOURCE_CORRUPT', `The model's config: ${what}`);

/** Every tensor that an argument mentions, in order. */
export function refsIn(value: unknown): TensorRef[] {
  if (value instanceof TensorRef) return [value];
  if (Array.isArray(value)) return value.flatMap(refsIn);
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(refsIn);
}

/** An argument with its TensorRefs replaced; what stands for several becomes a list. */
export function resolve<T>(value: unknown, tensors: (ref: TensorRef) => readonly T[]): unknown {
  if (value instanceof TensorRef) {
    const found = tensors(value);
    return found.length === 1 ? found[0] : found;
  }
  if (Array.isArray(value)) return value.map((item) => resolve(item, tensors));
  if (value === null || typeof value !== 'object' || value instanceof TypedNumbers) return value;
  if (value instanceof Slice) {
    const { start, stop, step } = value;
    return new Slice({
      start: resolve(start, tensors),
      stop: resolve(stop, tensors),
      step: resolve(step, tensors),
    });
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, tensors)]));
}

/** What a reference stands for among the outputs of its call. */
export function referredTo<T>({ layer, tensor }: TensorRef, outputs: readonly T[] = []): readonly T[] {
  const found = tensor === undefined ? outputs : outputs.filter((_, i) => i === tensor);
  if (found.length === 0) throw corrupt(`it takes output ${tensor ?? 0} of '${layer}', which has none such`);
  return found;
}

/** The shape that a Sequential without an InputLayer was built for. */
function builtShape(model: LayerConfig, first: LayerConfig): readonly number[] | undefined {
  const built = model.config['build_input_shape'] ?? model.build_config?.['input_shape'];
  const isList = Array.isArray(built) && built.some(Array.isArray);
  if (isList || (isModel(first) && kerasGraph(first).inputs.length > 1))
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_LAYER',
      `Layer '${layerName(first)}' (${first.class_name}) takes several inputs as the first of a Sequential; make that a Functional`,
    );
  return declaredShape(first.config) ?? declaredShape({ batch_shape: built });
}

/** Each layer is given all that the one before it gives: Keras 3 allows layers of several outputs anywhere. */
function sequentialGraph(model: LayerConfig): KerasGraph {
  let layers = layersOf(model);
  const first = layers[0];
  if (first === undefined) throw corrupt('a Sequential without layers');
  if (first.class_name !== 'InputLayer') {
    const shape = builtShape(model, first);
    const config = {
      name: `${layerName(first)}_input`,
      ...(shape === undefined ? {} : { batch_shape: shape }),
      dtype: first.class_name === 'Embedding' ? 'int32' : first.config['dtype'],
    };
    layers = [{ class_name: 'InputLayer', config }, ...layers];
  }
  const calls = new Map<string, LayerCall[]>();
  let previous: TensorRef | undefined;
  for (const layer of layers) {
    const name = layerName(layer);
    if (calls.has(name)) throw corrupt(`two layers are called '${name}'`);
    calls.set(name, [callOf(layer, previous === undefined ? [] : [previous])]);
    previous = new TensorRef(name, 0);
  }
  return {
    calls,
    inputs: [new TensorRef(layerName(layers[0] as LayerConfig), 0, 0)],
    outputs: [previous as TensorRef],
  };
}

/** Keras 2: a tensor is `["layer", call, tensor]`; only a list that begins with a layer's name is one. */
class Keras2Arguments {
  readonly #layers: ReadonlyMap<string, LayerConfig>;

  constructor(layers: ReadonlyMap<string, LayerConfig>) {
    this.#layers = layers;
  }

  isRef(value: unknown): value is [string, number, number] {
    return (
      Array.isArray(value) &&
      typeof value[0] === 'string' &&
      this.#layers.has(value[0]) &&
      Number.isInteger(value[1]) &&
      Number.isInteger(value[2])
    );
  }

  value(value: unknown): unknown {
    if (this.isRef(value)) return this.ref(value);
    if (Array.isArray(value)) {
      return value[0] === '_CONSTANT_VALUE' ? this.value(value[2]) : value.map((item) => this.value(item));
    }
    if (value === null || typeof value !== 'object') return value;
    const fields = value as Record<string, unknown>;
    if (fields['class_name'] === '__ellipsis__') return ellipsis;
    if (fields['class_name'] === 'TypeSpec' || fields['type'] === 'tuple') return this.value(fields['items']);
    if ('start' in fields && 'stop' in fields && 'step' in fields) {
      return new Slice(
        Object.fromEntries(['start', 'stop', 'step'].map((key) => [key, this.value(fields[key])])),
      );
    }
    return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, this.value(item)]));
  }

  /** A nested model's call 0 is the one that made it, where it has an input layer of its own: calls count from 1 then. */
  ref([name, call, tensor]: readonly [string, number, number]): TensorRef {
    const layer = this.#layers.get(name) as LayerConfig;
    const nested = isModel(layer) && layersOf(layer)[0]?.class_name === 'InputLayer';
    return new TensorRef(name, nested ? call - 1 : call, tensor);
  }

  call(layer: LayerConfig, node: unknown): LayerCall {
    if (!Array.isArray(node))
      throw corrupt(`layer '${layerName(layer)}' has an inbound node of no known form`);
    const flat = typeof node[0] === 'string';
    const entries = (flat ? [node] : node) as unknown[][];
    if (entries.some((entry) => !Array.isArray(entry) || typeof entry[0] !== 'string')) {
      throw corrupt(`layer '${layerName(layer)}' has an inbound node of no known form`);
    }
    const operands = entries.map((entry) => {
      if (entry[0] !== '_CONSTANT_VALUE' && !this.isRef(entry)) {
        throw corrupt(
          `layer '${layerName(layer)}' takes '${String(entry[0])}', which the model does not have`,
        );
      }
      return this.value(entry);
    });
    const kwargs = this.value(entries[0]?.[3] ?? {}) as Record<string, unknown>;
    return callOf(layer, operands.length === 1 ? operands : [operands], kwargs);
  }
}

/** Keras 3: `{class_name: "__keras_tensor__", ...}` and its kin, anywhere inside the arguments. */
function keras3Value(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(keras3Value);
  if (value === null || typeof value !== 'object') return value;
  const fields = value as Record<string, unknown>;
  const config = (fields['config'] ?? {}) as Record<string, unknown>;
  switch (fields['class_name']) {
    case '__keras_tensor__': {
      const history = config['keras_history'] as [string, number, number];
      if (!Array.isArray(history)) throw corrupt('a tensor without its history');
      return new TensorRef(String(history[0]), Number(history[1]), Number(history[2]));
    }
    case '__slice__':
      return new Slice(Object.fromEntries(Object.entries(config).map(([k, v]) => [k, keras3Value(v)])));
    case '__ellipsis__':
      return ellipsis;
    case '__tuple__':
      return keras3Value(fields['items'] ?? config['items'] ?? config['value']);
    case '__numpy__':
    case '__tensor__':
    case '__array__':
      return new TypedNumbers(config['value'], String(config['dtype']));
    default:
      return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, keras3Value(item)]));
  }
}

/** `["x", 0, 0]`, or a list or dictionary of such. */
function boundary(
  value: unknown,
  what: string,
  ref: (value: [string, number, number]) => TensorRef,
): TensorRef[] {
  if (Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number') {
    return [ref(value as [string, number, number])];
  }
  if (Array.isArray(value)) return value.flatMap((item) => boundary(item, what, ref));
  if (value !== null && typeof value === 'object') {
    return Object.values(value).flatMap((item) => boundary(item, what, ref));
  }
  throw corrupt(`${what} are missing`);
}

function functionalGraph(model: LayerConfig): KerasGraph {
  const layers = layersOf(model);
  const byName = new Map(layers.map((layer) => [layerName(layer), layer]));
  if (byName.size !== layers.length) throw corrupt('two layers have the same name');
  const keras2 = new Keras2Arguments(byName);
  let isKeras3 = false;
  const calls = new Map<string, LayerCall[]>();
  for (const layer of layers) {
    const nodes = (layer.inbound_nodes ?? []).map((node): LayerCall => {
      if (node === null || typeof node !== 'object' || !('args' in node)) return keras2.call(layer, node);
      isKeras3 = true;
      const { args, kwargs } = keras3Value(node) as {
        args: unknown[];
        kwargs: Record<string, unknown> | undefined;
      };
      if (!Array.isArray(args))
        throw corrupt(`layer '${layerName(layer)}' has an inbound node of no known form`);
      return callOf(layer, args, kwargs);
    });
    const isInput = layer.class_name === 'InputLayer';
    calls.set(layerName(layer), isInput ? [callOf(layer, [])] : nodes);
  }
  const ref = (value: [string, number, number]) => {
    if (!byName.has(value[0])) throw corrupt(`there is no layer '${value[0]}', which the model's ends name`);
    if (!isKeras3) return keras2.ref(value);
    // Keras 3 counts the calls of a nested Functional from 1 here, and here only.
    const isFunctional = byName.get(value[0])?.class_name === 'Functional';
    return new TensorRef(value[0], value[1] - (isFunctional ? 1 : 0), value[2]);
  };
  return {
    calls,
    inputs: boundary(model.config['input_layers'], 'input_layers', ref),
    outputs: boundary(model.config['output_layers'], 'output_layers', ref),
  };
}

const graphs: Record<string, (model: LayerConfig) => KerasGraph> = {
  Sequential: sequentialGraph,
  Functional: functionalGraph,
  Model: functionalGraph,
};

/** Whether a layer is itself a model whose layers are in the file. */
export function isModel(layer: LayerConfig): boolean {
  return Object.hasOwn(graphs, layer.class_name);
}

/**
 * The calls of a model.
 * @throws ConversionError CONVERSION_UNSUPPORTED for subclassed models, whose code is not in the file.
 */
export function kerasGraph(model: LayerConfig): KerasGraph {
  const build = Object.hasOwn(graphs, model.class_name) ? graphs[model.class_name] : undefined;
  if (build !== undefined && layersOf(model).length > 0) return build(model);
  throw new ConversionError(
    'CONVERSION_UNSUPPORTED',
    `A model of class '${model.class_name}' is defined by Python code that is not in the file; rebuild it as Functional`,
  );
}

/** @throws ConversionError CONVERSION_SOURCE_CORRUPT where a model inside is given more inputs than it takes, or fewer */
export function refuseOtherCount(model: LayerConfig, taken: number, given = taken): void {
  if (given === taken) return;
  throw new ConversionError(
    'CONVERSION_SOURCE_CORRUPT',
    `The model '${layerName(model)}' takes ${taken} inputs and is given ${given}`,
  );
}
