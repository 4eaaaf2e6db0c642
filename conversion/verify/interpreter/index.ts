import { customRow, type KerasModel, type LayerConfig, named, type Weight } from '../../keras/model.ts';
import { orderOfCalls, sorted } from './call-order.ts';
import { type Evaluate, isTensor, type LayerInput } from './layer-input.ts';
import { evaluate, inOwnMemory, steps } from './layers.ts';
import { callOf, type Mention, mentions } from './mentions.ts';
import { knowsOperation, operation } from './operations/index.ts';
import { type Asking, answered, answeredBy, type Product } from './products.ts';
import type { Tensor } from './tensor.ts';

export type { Evaluate } from './layer-input.ts';
export type { Tensor } from './tensor.ts';

/** Where the values of a reference run have an output of `<layer>:<call>`. */
export const placeOf = (at: string, output: number): string => (output === 0 ? at : `${at}#${output}`);

/** Everything that a reference run computed, by `placeOf`, and the model's outputs in order. */
export interface ReferenceRun {
  readonly values: ReadonlyMap<string, Tensor>;
  readonly outputs: readonly Tensor[];
}

/** References of classes that are not Keras's own, by class name. */
export type CustomReferences = Readonly<Record<string, { readonly reference: Evaluate }>>;

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
    outputs.forEach((output, i) => {
      run.values?.set(placeOf(`${prefix}${key}`, i), output);
    });
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
