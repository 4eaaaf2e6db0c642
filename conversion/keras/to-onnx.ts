import { ConversionError } from '../errors.ts';
import { layers } from '../layers/index.ts';
import { type LayerContext, unsupported } from '../layers/layer.ts';
import { GraphBuilder, type ModelProto, type SymbolicTensor } from '../onnx/index.ts';
import { kerasGraph, type LayerCall, type TensorRef } from './graph.ts';
import { type KerasModel, layerName } from './model.ts';

/** Where a layer's first output lives in the ONNX graph: parity names the first layer that diverges by it. */
export interface TracePoint {
  /** `<layer>:<call>`. */
  readonly at: string;
  readonly tensor: string;
}

/** A Keras model as ONNX, in float32. */
export interface OnnxConversion {
  readonly model: ModelProto;
  readonly trace: readonly TracePoint[];
}

const keyOf = (ref: TensorRef) => `${ref.layer}:${ref.call}`;

/**
 * Converts a model call by call; a shared layer's weights are written once per call only where its converter does so.
 * @throws ConversionError naming the layer for anything that is not covered exactly.
 */
export function kerasToOnnx(model: KerasModel): OnnxConversion {
  const source = kerasGraph(model);
  const graph = new GraphBuilder();
  const done = new Map<string, readonly SymbolicTensor[]>();
  const trace: TracePoint[] = [];

  const callAt = (ref: TensorRef): LayerCall => {
    const call = source.calls.get(ref.layer)?.[ref.call];
    if (call === undefined) {
      throw new ConversionError(
        'CONVERSION_SOURCE_CORRUPT',
        `The config refers to call ${ref.call} of layer '${ref.layer}', which it does not have`,
      );
    }
    return call;
  };

  const convert = (ref: TensorRef): void => {
    const { layer, inputs, kwargs } = callAt(ref);
    const context: LayerContext = {
      graph,
      name: layerName(layer),
      className: layer.class_name,
      config: layer.config,
      dialect: model.dialect,
      weights: model.weights.get(layerName(layer)) ?? [],
      inputs: inputs.map((input) => {
        const value = done.get(keyOf(input))?.[input.tensor];
        if (value === undefined) {
          throw new ConversionError(
            'CONVERSION_SOURCE_CORRUPT',
            `Layer '${layerName(layer)}' takes output ${input.tensor} of '${input.layer}', which has none such`,
          );
        }
        return value;
      }),
      kwargs,
    };
    if (!Object.hasOwn(layers, layer.class_name)) {
      throw unsupported(context, 'there is no converter for this class');
    }
    const result = layers[layer.class_name as keyof typeof layers](context);
    const outputs = Array.isArray(result)
      ? (result as readonly SymbolicTensor[])
      : [result as SymbolicTensor];
    done.set(keyOf(ref), outputs);
    trace.push({ at: keyOf(ref), tensor: (outputs[0] as SymbolicTensor).name });
  };

  for (const ref of source.inputs) if (!done.has(keyOf(ref))) convert(ref);
  for (const output of source.outputs) visit(output, callAt, done, convert);
  for (const output of source.outputs) graph.output(output.layer, done.get(keyOf(output))![output.tensor]!);
  return { model: graph.build('model'), trace };
}

/** Depth first, without recursion: inputs before the call that takes them; a cycle is a damaged file. */
function visit(
  root: TensorRef,
  callAt: (ref: TensorRef) => LayerCall,
  done: ReadonlyMap<string, unknown>,
  convert: (ref: TensorRef) => void,
): void {
  const open = new Set<string>();
  const stack: TensorRef[] = [root];
  while (stack.length > 0) {
    const ref = stack.at(-1) as TensorRef;
    const waiting = done.has(keyOf(ref)) ? [] : callAt(ref).inputs.filter((input) => !done.has(keyOf(input)));
    if (waiting.length === 0) {
      if (!done.has(keyOf(ref))) convert(ref);
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
