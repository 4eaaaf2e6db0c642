import { ConversionError } from '../errors.ts';
import { kerasGraph, type LayerCall, referredTo, refsIn, type TensorRef } from '../keras/graph.ts';
import { type KerasModel, type LayerConfig, layerName, type Weight } from '../keras/model.ts';
import { unreadArguments, writtenByKeras } from '../keras/unread-arguments.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Program, Value } from './ir.ts';
import { tfliteLayers } from './layers/index.ts';
import { type LayerContext, unsupported } from './layers/layer.ts';
import { simplify } from './passes/index.ts';

/** Where a layer's first output lives, where it still has a value of its own: parity names the first layer that diverges by it. */
export interface TracePoint {
  /** `<layer>:<call>`. */
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

/**
 * Converts a model call by call.
 * @throws ConversionError naming the layer for anything that TFLite cannot hold exactly.
 */
export function kerasToTflite(model: KerasModel): TfliteConversion {
  const source = kerasGraph(model.config);
  const graph = GraphBuilder.main();
  const done = new Map<string, readonly Value[]>();
  const trace: TracePoint[] = [];

  const convertLayer = (
    layer: LayerConfig,
    name: string,
    weights: readonly Weight[],
    inputs: readonly Value[],
    kwargs: Readonly<Record<string, unknown>>,
  ): readonly Value[] => {
    const context: LayerContext = {
      graph,
      name,
      className: layer.class_name,
      config: layer.config,
      dialect: model.dialect,
      weights,
      inputs,
      kwargs,
      inner: (inside, itsWeights, itsInputs) =>
        convertLayer(inside, `${name}/${layerName(inside)}`, itsWeights, itsInputs, {}),
    };
    if (!Object.hasOwn(tfliteLayers, layer.class_name)) {
      throw unsupported(context, 'there is no converter for this class');
    }
    const result = tfliteLayers[layer.class_name as keyof typeof tfliteLayers](context);
    return Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
  };

  const convert = (ref: TensorRef): void => {
    const call = source.calls.get(ref.layer)?.[ref.call];
    if (call === undefined) {
      throw new ConversionError(
        'CONVERSION_SOURCE_CORRUPT',
        `The config refers to call ${ref.call} of layer '${ref.layer}', which it does not have`,
      );
    }
    const { layer, kwargs } = call;
    const [unread] = unreadArguments(kwargs, new Set(['initial_state', ...writtenByKeras(model.dialect)]));
    if (unread !== undefined)
      throw unsupported(
        { name: layerName(layer), className: layer.class_name },
        `what the argument ${unread} changes is not known here; leave it out`,
      );
    const weights = model.weights.get(layerName(layer)) ?? [];
    const values = convertLayer(layer, layerName(layer), weights, operandsOf(call).flatMap(resolved), kwargs);
    done.set(keyOf(ref), values);
    trace.push({ at: keyOf(ref), tensor: (values[0] as Value).name });
  };

  const resolved = (ref: TensorRef) => referredTo(ref, done.get(keyOf(ref)));

  for (const ref of source.inputs) if (!done.has(keyOf(ref))) convert(ref);
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
  const program = simplify({
    graphs: graph.graphs(source.outputs.flatMap(resolved)),
    inputNames: distinct(source.inputs.map((ref) => ref.layer)),
    outputNames: distinct(source.outputs.flatMap((ref) => resolved(ref).map(() => ref.layer))),
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
