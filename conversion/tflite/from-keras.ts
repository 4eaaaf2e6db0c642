import { ConversionError } from '../errors.ts';
import {
  isModel,
  kerasGraph,
  type LayerCall,
  referredTo,
  refsIn,
  refuseOtherCount,
  type TensorRef,
} from '../keras/graph.ts';
import { type KerasModel, type LayerConfig, layerName, type Weight, weightsUnder } from '../keras/model.ts';
import { unreadArguments, writtenByKeras } from '../keras/unread-arguments.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Program, Value } from './ir.ts';
import { tfliteLayers } from './layers/index.ts';
import { type LayerContext, unsupported } from './layers/layer.ts';
import { simplify } from './passes/index.ts';

/** Where a layer's first output lives, where it still has a value of its own: parity names the first layer that diverges by it. */
export interface TracePoint {
  /** `<layer>:<call>`; inside a nested model `<model>:<call>/<layer>:<call>`. */
  readonly at: string;
  readonly tensor: string;
}

/** A Keras model as a TFLite program, in float32. */
export interface TfliteConversion {
  readonly program: Program;
  readonly trace: readonly TracePoint[];
}

const keyOf = (ref: TensorRef) => `${ref.layer}:${ref.call}`;

/** What a call computes with: recurrent layers take their first states by name. */
function operandsOf({ layer, inputs, kwargs }: LayerCall): TensorRef[] {
  const { initial_state: states, ...others } = kwargs;
  if (refsIn(others).length > 0) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_LAYER',
      `Layer '${layerName(layer)}' (${layer.class_name}) does not go into a .tflite file: it takes values as ${Object.keys(others).join(', ')}`,
    );
  }
  return [...inputs, ...refsIn(states)];
}

/** Names that callers see: the layers' own, numbered where a layer gives several. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((wanted) => {
    let name = wanted;
    for (let n = 1; taken.has(name); n++) name = `${wanted}_${n}`;
    taken.add(name);
    return name;
  });
}

/** What stays the same while a model and the models inside it are converted. */
interface Conversion {
  readonly graph: GraphBuilder;
  readonly dialect: KerasModel['dialect'];
  readonly trace: TracePoint[];
}

/** Where in the nesting a model is. */
interface Place {
  /** In front of names: `encoder/`. */
  readonly name: string;
  /** In front of trace points: `encoder:0/`. */
  readonly trace: string;
  readonly weightsOf: (layer: LayerConfig) => readonly Weight[];
}

/** One call of one layer: a model inside is gone into, anything else is a row of layers/. @param at its trace point */
function convertLayer(
  conversion: Conversion,
  layer: LayerConfig,
  { name, at, weights }: { name: string; at: string; weights: readonly Weight[] },
  inputs: readonly Value[],
  kwargs: Readonly<Record<string, unknown>>,
): readonly Value[] {
  if (isModel(layer)) {
    const inside: Place = {
      name: `${name}/`,
      trace: `${at}/`,
      weightsOf: (inner) => weightsUnder(weights, `layers/${layerName(inner)}`),
    };
    return convertGraph(conversion, layer, inside, inputs).map(({ value }) => value);
  }
  const context: LayerContext = {
    graph: conversion.graph,
    name,
    className: layer.class_name,
    config: layer.config,
    dialect: conversion.dialect,
    weights,
    inputs,
    kwargs,
    inner: (inside, itsWeights, itsInputs) => {
      const itsName = layerName(inside);
      const its = { name: `${name}/${itsName}`, at: `${at}/${itsName}:0`, weights: itsWeights };
      return convertLayer(conversion, inside, its, itsInputs, {});
    },
  };
  if (!Object.hasOwn(tfliteLayers, layer.class_name)) {
    throw unsupported(context, 'there is no converter for this class');
  }
  const result = tfliteLayers[layer.class_name as keyof typeof tfliteLayers](context);
  return Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
}

/** The calls of a model, inputs before the calls that take them. @returns its outputs, and the layers that give them */
function convertGraph(
  conversion: Conversion,
  model: LayerConfig,
  place: Place,
  inputs?: readonly Value[],
): readonly { layer: string; value: Value }[] {
  const source = kerasGraph(model);
  const done = new Map<string, readonly Value[]>();
  const resolved = (ref: TensorRef) => referredTo(ref, done.get(keyOf(ref)));

  const convert = (ref: TensorRef): void => {
    const call = source.calls.get(ref.layer)?.[ref.call];
    if (call === undefined) {
      throw new ConversionError(
        'CONVERSION_SOURCE_CORRUPT',
        `The config refers to call ${ref.call} of layer '${ref.layer}', which it does not have`,
      );
    }
    const { layer, kwargs } = call;
    const name = `${place.name}${layerName(layer)}`;
    const [unread] = unreadArguments(
      kwargs,
      new Set(['initial_state', ...writtenByKeras(conversion.dialect)]),
    );
    if (unread !== undefined)
      throw unsupported(
        { name, className: layer.class_name },
        `what the argument ${unread} changes is not known here; leave it out`,
      );
    const it = { name, at: `${place.trace}${keyOf(ref)}`, weights: place.weightsOf(layer) };
    const values = convertLayer(conversion, layer, it, operandsOf(call).flatMap(resolved), kwargs);
    done.set(keyOf(ref), values);
    conversion.trace.push({ at: it.at, tensor: (values[0] as Value).name });
  };

  refuseOtherCount(model, source.inputs.length, inputs?.length);
  source.inputs.forEach((ref, i) => {
    if (inputs !== undefined) done.set(keyOf(ref), [inputs[i] as Value]);
    else if (!done.has(keyOf(ref))) convert(ref);
  });
  for (const output of source.outputs) {
    visit(
      output,
      (ref) => {
        const call = source.calls.get(ref.layer)?.[ref.call];
        return call === undefined ? [] : operandsOf(call);
      },
      (ref) => done.has(keyOf(ref)),
      convert,
    );
  }
  return source.outputs.flatMap((ref) => resolved(ref).map((value) => ({ layer: ref.layer, value })));
}

/**
 * Converts a model call by call; models inside become a part of it.
 * @throws ConversionError naming the layer for anything that TFLite cannot hold exactly.
 */
export function kerasToTflite(model: KerasModel): TfliteConversion {
  const graph = GraphBuilder.main();
  const trace: TracePoint[] = [];
  const place: Place = {
    name: '',
    trace: '',
    weightsOf: (layer) => model.weights.get(layerName(layer)) ?? [],
  };
  const outputs = convertGraph({ graph, dialect: model.dialect, trace }, model.config, place);
  const program = simplify({
    graphs: graph.graphs(outputs.map(({ value }) => value)),
    inputNames: distinct(kerasGraph(model.config).inputs.map((ref) => ref.layer)),
    outputNames: distinct(outputs.map(({ layer }) => layer)),
  });
  return { program, trace };
}

/** Depth first, without recursion: inputs before the call that takes them; a cycle is a damaged file. */
function visit(
  root: TensorRef,
  inputsOf: (ref: TensorRef) => readonly TensorRef[],
  isDone: (ref: TensorRef) => boolean,
  convert: (ref: TensorRef) => void,
): void {
  const open = new Set<string>();
  const stack: TensorRef[] = [root];
  while (stack.length > 0) {
    const ref = stack.at(-1) as TensorRef;
    const waiting = isDone(ref) ? [] : inputsOf(ref).filter((input) => !isDone(input));
    if (waiting.length === 0) {
      if (!isDone(ref)) convert(ref);
      stack.pop();
      open.delete(keyOf(ref));
      continue;
    }
    if (open.has(keyOf(ref))) {
      throw new ConversionError(
        'CONVERSION_SOURCE_CORRUPT',
        `The config's layers form a cycle at '${ref.layer}'`,
      );
    }
    open.add(keyOf(ref));
    stack.push(...waiting);
  }
}
