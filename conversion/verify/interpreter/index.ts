import { ellipsis, Slice } from '../../keras/graph.ts';
import { customRow, type KerasModel, type LayerConfig, named, type Weight } from '../../keras/model.ts';
import { type Evaluate, isTensor, type LayerInput } from './layer-input.ts';
import { evaluate, inOwnMemory, steps } from './layers.ts';
import { knowsOperation, operation } from './operations/index.ts';
import { type Asking, answered, answeredBy, type Product } from './products.ts';
import type { Tensor } from './tensor.ts';

export type { Evaluate } from './layer-input.ts';
export type { Tensor } from './tensor.ts';

/** Everything that a reference run computed, by `<layer>:<call>`, and the model's outputs in order. */
export interface ReferenceRun {
  readonly values: ReadonlyMap<string, Tensor>;
  readonly outputs: readonly Tensor[];
}

/** References of classes that are not Keras's own, by class name. */
export type CustomReferences = Readonly<Record<string, { readonly reference: Evaluate }>>;

type Mention = readonly [layer: string, call: number, tensor: number];

const nameOf = (layer: LayerConfig) => String(layer.config['name'] ?? layer.name);
const insideOf = (layer: LayerConfig) =>
  (Array.isArray(layer.config) ? layer.config : layer.config['layers']) as LayerConfig[] | undefined;
const isModel = (layer: LayerConfig) => ['Functional', 'Sequential', 'Model'].includes(layer.class_name);

/** What one model's run needs to know. */
interface Run {
  readonly dialect: KerasModel['dialect'];
  readonly custom: CustomReferences;
  /** Undefined where nobody wants what is in between. */
  readonly values: Map<string, Tensor> | undefined;
  /** Whether every number that a layer gives is rounded to float32. */
  readonly isRounded: boolean;
  /** Numbers whose mask Keras 3's attention over heads has taken off: nobody after it finds one. */
  readonly unmasked: WeakSet<Float64Array>;
  /** Numbers of which no other value has a part. */
  readonly unshared: WeakSet<Float64Array>;
}

type Call = Pick<LayerInput, 'args' | 'kwargs' | 'inputs'>;

/** Of the values that a call is the last to take, the memory that it may write over. */
function spareOf(run: Run, last: readonly Tensor[]): ReadonlySet<Float64Array> {
  // Whoever wants what is in between, or what every layer has made of it, wants it as it was.
  if (run.values !== undefined || run.isRounded) return new Set();
  return new Set(last.map(({ data }) => data).filter((data) => run.unshared.has(data)));
}

/** Reads `[layer, call, tensor]`, in Keras 2's form or Keras 3's; undefined for anything else. */
function mention(value: unknown, names: ReadonlySet<string>): Mention | undefined {
  const history = (value as { config?: { keras_history?: unknown } } | null)?.config?.keras_history ?? value;
  if (!Array.isArray(history) || typeof history[0] !== 'string' || !names.has(history[0])) return undefined;
  return Number.isInteger(history[1]) && Number.isInteger(history[2])
    ? [history[0], history[1], history[2]]
    : undefined;
}

/** Every mention inside a value. */
function mentions(value: unknown, names: ReadonlySet<string>): Mention[] {
  const found = mention(value, names);
  // Keras 2 keeps the other arguments behind the first.
  if (found !== undefined) return [found, ...(Array.isArray(value) ? mentions(value.slice(3), names) : [])];
  return value !== null && typeof value === 'object'
    ? Object.values(value).flatMap((item) => mentions(item, names))
    : [];
}

/** An argument as the config writes it, with values in the place of mentions. */
function argument(value: unknown, names: ReadonlySet<string>, read: (at: Mention) => Tensor): unknown {
  const found = mention(value, names);
  if (found !== undefined) return read(found);
  if (Array.isArray(value)) {
    if (value[0] === '_CONSTANT_VALUE') return value[2];
    return value.map((item) => argument(item, names, read));
  }
  if (value === null || typeof value !== 'object') return value;
  const fields = value as Record<string, unknown>;
  const config = (fields['config'] ?? {}) as Record<string, unknown>;
  if (fields['class_name'] === '__ellipsis__') return ellipsis;
  if (fields['class_name'] === '__slice__') return new Slice(config);
  if (fields['class_name'] === '__tuple__')
    return argument(fields['items'] ?? config['items'] ?? config['value'], names, read);
  if (String(fields['class_name']).startsWith('__')) return config['value'];
  if ('start' in fields && 'step' in fields) return new Slice(fields);
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, argument(item, names, read)]));
}

/**
 * One layer on its inputs; a model inside is run.
 * @param last inputs that no other call takes any more
 */
function* runLayer(
  run: Run,
  layer: LayerConfig,
  weights: readonly Weight[],
  call: Call,
  path: string,
  last: readonly Tensor[] = [],
): Asking<readonly Tensor[]> {
  const isOwn = inOwnMemory.has(layer.class_name) && customRow(run.custom, layer.class_name) === undefined;
  const spare = isOwn ? spareOf(run, last) : new Set<Float64Array>();
  // All others may give an input on, or a part of it.
  const given = [...call.inputs, ...Object.values(call.kwargs).flat(9).filter(isTensor)].map(
    ({ data }) => data,
  );
  for (const data of given) if (!spare.has(data)) run.unshared.delete(data);
  const outputs = yield* computed(run, layer, weights, { ...call, spare }, path);
  for (const { data } of outputs)
    if (isOwn && (spare.has(data) || !given.includes(data))) run.unshared.add(data);
    else run.unshared.delete(data);
  return outputs;
}

function* computed(
  run: Run,
  layer: LayerConfig,
  weights: readonly Weight[],
  call: Call & Pick<LayerInput, 'spare'>,
  path: string,
): Asking<readonly Tensor[]> {
  const below = (prefix: string) =>
    weights
      .filter((weight) => weight.name.startsWith(`${prefix}/`))
      .map((weight) => named(weight.name.slice(prefix.length + 1), weight));
  if (isModel(layer)) {
    // Keras 3 gives a model inside the masks of its inputs by name.
    const given = [call.kwargs['mask']].flat();
    const inputs = call.inputs.map((x, i) => (isTensor(given[i]) ? { ...x, mask: given[i] } : x));
    inputs.forEach(({ data }, i) => {
      if (isTensor(given[i])) run.unmasked.delete(data);
    });
    return yield* runModel(run, layer, (inner) => below(`layers/${nameOf(inner)}`), inputs, `${path}/`);
  }
  const isLayer =
    layer.config['trainable'] !== undefined ||
    (layer.class_name in evaluate && (layer.config['dtype'] !== undefined || !knowsOperation(layer)));
  const isOperation = run.dialect === 'keras-3' && (/\.ops/.test(layer.module ?? '') || !isLayer);
  const own = customRow(run.custom, layer.class_name);
  const compute = own?.reference ?? (isOperation ? operation : evaluate[layer.class_name]);
  if (compute === undefined) throw new Error(`the reference does not know the class '${layer.class_name}'`);
  const asking = compute === evaluate[layer.class_name] ? steps[layer.class_name] : undefined;
  const input: LayerInput = {
    layer,
    dialect: run.dialect,
    weights,
    ...call,
    inner: (inside, attribute, inputs, kwargs = {}) =>
      answered(
        runLayer(
          run,
          inside,
          below(attribute),
          { inputs, args: inputs, kwargs },
          `${path}/${nameOf(inside)}:0`,
        ),
      ),
  };
  const result = asking === undefined ? compute(input) : yield* asking(input);
  const outputs = Array.isArray(result) ? (result as Tensor[]) : [result as Tensor];
  if (run.dialect === 'keras-3' && layer.class_name === 'MultiHeadAttention')
    for (const { data, mask } of [...call.inputs, ...Object.values(call.kwargs).filter(isTensor)])
      if (mask !== undefined) run.unmasked.add(data);
  const rounded = (output: Tensor) => ({ ...output, data: new Float64Array(new Float32Array(output.data)) });
  const isGiven = (output: Tensor) => call.inputs.some(({ data }) => data === output.data);
  return run.isRounded ? outputs.map((output) => (isGiven(output) ? output : rounded(output))) : outputs;
}

function* runModel(
  run: Run,
  model: LayerConfig,
  weightsOf: (layer: LayerConfig) => readonly Weight[],
  inputs: readonly Tensor[],
  prefix: string,
): Asking<readonly Tensor[]> {
  const layers = insideOf(model) ?? [];
  const remember = (key: string, outputs: readonly Tensor[]) => {
    run.values?.set(`${prefix}${key}`, outputs[0] as Tensor);
    return outputs;
  };
  if (model.class_name === 'Sequential') {
    let x = inputs;
    for (const layer of layers) {
      const key = `${nameOf(layer)}:0`;
      if (layer.class_name !== 'InputLayer') {
        x = yield* runLayer(
          run,
          layer,
          weightsOf(layer),
          { inputs: x, args: x.length === 1 ? x : [x], kwargs: {} },
          `${prefix}${key}`,
          x,
        );
      }
      remember(key, x);
    }
    return x;
  }
  const byName = new Map(layers.map((layer) => [nameOf(layer), layer]));
  const names = new Set(byName.keys());
  const done = new Map<string, readonly Tensor[]>();
  const fields = model.config;
  // Keras 2 may count the calls of a model inside from 1: the call that made it is number 0 and is not in the file.
  const everything = [layers.map((layer) => layer.inbound_nodes), fields['output_layers']];
  const lowest = new Map<string, number>();
  for (const [name, call] of mentions(everything, names))
    lowest.set(name, Math.min(call, lowest.get(name) ?? call));
  const offset = (name: string) => {
    const layer = byName.get(name) as LayerConfig;
    const isKeras3 = JSON.stringify(layer.inbound_nodes?.[0] ?? '').includes('"args"');
    return isModel(layer) && !isKeras3 ? Math.min(lowest.get(name) ?? 0, 1) : 0;
  };
  const keyOf = ([name, call]: Mention) => `${name}:${call - offset(name)}`;
  const read = (at: Mention): Tensor => {
    const tensor = done.get(keyOf(at))?.[at[2]] as Tensor;
    return run.unmasked.has(tensor?.data) ? { shape: tensor.shape, data: tensor.data } : tensor;
  };
  const ends = mentions(fields['output_layers'], names).map(([name, call, tensor]): Mention => {
    const layer = byName.get(name) as LayerConfig;
    // Where a model inside is an end of a Keras 3 model, its calls count from 1, though they count from 0 elsewhere.
    const isOff =
      layer.class_name === 'Functional' && offset(name) === 0 && !Array.isArray(layer.inbound_nodes?.[0]);
    return [name, isOff ? call - 1 : call, tensor];
  });
  // A value goes when the last call that takes it is done: all of them together are many times the model.
  const takers = new Map<string, number>();
  const nodes = layers.map((layer) => layer.inbound_nodes);
  for (const at of [...mentions(nodes, names), ...ends])
    takers.set(keyOf(at), (takers.get(keyOf(at)) ?? 0) + 1);
  const taken = (at: Mention) => {
    const left = (takers.get(keyOf(at)) as number) - 1;
    takers.set(keyOf(at), left);
    if (left === 0) done.delete(keyOf(at));
  };
  /** What a call needs comes before it. */
  function* compute(at: Mention): Asking<void> {
    const key = keyOf(at);
    if (done.has(key)) return;
    const [name, call] = at;
    const layer = byName.get(name) as LayerConfig;
    const node = layer.inbound_nodes?.[call - offset(name)];
    if (node === undefined) throw new Error(`'${name}' has no call ${call}`);
    const needed = mentions(node, names);
    for (const one of needed) yield* compute(one);
    const outputs = yield* runLayer(
      run,
      layer,
      weightsOf(layer),
      callOf(node, names, read),
      `${prefix}${key}`,
      needed.filter((one) => takers.get(keyOf(one)) === 1).map(read),
    );
    done.set(key, outputs);
    remember(key, outputs);
    needed.forEach(taken);
  }
  const callsOf = ([name, call]: Mention) =>
    mentions(sorted(byName.get(name)?.inbound_nodes?.[call - offset(name)]), names);
  mentions(fields['input_layers'], names).forEach(([name], i) => {
    done.set(`${name}:0`, remember(`${name}:0`, [inputs[i] as Tensor]));
  });
  // Whose masks are taken off is a matter of order; for all others the one that keeps the fewest values is as good.
  if (run.dialect === 'keras-3' && JSON.stringify(layers).includes('"MultiHeadAttention"'))
    for (const at of orderOfCalls(ends, callsOf, keyOf)) yield* compute(at);
  for (const end of ends) yield* compute(end);
  return ends.map(read);
}

/** With the names of every dictionary in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** The order in which Keras 3 makes the calls of a model: by their distance from the ends, which is that of a layer's farthest call. */
function orderOfCalls(
  ends: readonly Mention[],
  needsOf: (at: Mention) => readonly Mention[],
  keyOf: (at: Mention) => string,
): Mention[] {
  const done = new Map<string, Mention>();
  const walk = (at: Mention) => {
    if (done.has(keyOf(at))) return;
    for (const needed of needsOf(at)) walk(needed);
    done.set(keyOf(at), at);
  };
  ends.forEach(walk);
  const distances = new Map<string, number>();
  const farthest = new Map<string, number>();
  for (const [key, at] of [...done].reverse()) {
    const distance = Math.max(distances.get(key) ?? 0, farthest.get(at[0]) ?? 0);
    farthest.set(at[0], distance);
    distances.set(key, distance);
    for (const needed of needsOf(at).map(keyOf))
      distances.set(needed, Math.max(distance + 1, distances.get(needed) ?? 0));
  }
  const first = [...distances].sort(([, a], [, b]) => b - a);
  return first.map(([key]) => done.get(key) as Mention);
}

/** The arguments of one call, from either form of node. */
function callOf(node: unknown, names: ReadonlySet<string>, read: (at: Mention) => Tensor) {
  const tensorsIn = (value: unknown): Tensor[] =>
    Array.isArray(value)
      ? value.flatMap(tensorsIn)
      : value !== null && typeof value === 'object' && 'data' in value
        ? [value as Tensor]
        : [];
  if (!Array.isArray(node)) {
    const { args, kwargs } = node as { args: unknown[]; kwargs?: Record<string, unknown> };
    const values = args.map((value) => argument(value, names, read));
    return {
      args: values,
      inputs: tensorsIn(values),
      kwargs: argument(kwargs ?? {}, names, read) as Record<string, unknown>,
    };
  }
  const entries = (typeof node[0] === 'string' ? [node] : node) as unknown[][];
  const values = entries.map((entry) => argument(entry.slice(0, 3), names, read));
  const kwargs = argument(entries[0]?.[3] ?? {}, names, read) as Record<string, unknown>;
  return { args: values.length === 1 ? values : [values], inputs: tensorsIn(values), kwargs };
}

/**
 * Runs a Keras model naively in float64, straight from its config: the reference that the converted model is judged by.
 * It shares nothing with layers/ and reads the graph by itself, so that a mistake there cannot hide here.
 * @param inputs one tensor per model input, in the config's order.
 * @param isRounded whether each layer's output is rounded to float32: shows what that alone would do
 */
export function runReference(
  model: KerasModel,
  inputs: readonly Tensor[],
  custom: CustomReferences = {},
  isRounded = false,
): ReferenceRun {
  const values = new Map<string, Tensor>();
  return { values, outputs: answered(reference(values, model, inputs, custom, isRounded)) };
}

/** The model's outputs alone, with the large products of matrices in other hands. */
export function referenceOutputs(
  multiply: (product: Product) => Promise<Tensor>,
  ...request: Parameters<typeof runReference>
): Promise<readonly Tensor[]> {
  return answeredBy(reference(undefined, ...request), multiply);
}

function reference(
  values: Run['values'],
  ...[model, inputs, custom = {}, isRounded = false]: Parameters<typeof runReference>
): Asking<readonly Tensor[]> {
  const weightsOf = (layer: LayerConfig) => model.weights.get(nameOf(layer)) ?? [];
  const run = {
    dialect: model.dialect,
    custom,
    values,
    isRounded,
    unmasked: new WeakSet<Float64Array>(),
    unshared: new WeakSet<Float64Array>(),
  };
  return runModel(run, model.config, weightsOf, inputs, '');
}
