import { ConversionError } from '../errors.ts';
import { layers } from '../layers/index.ts';
import { type LayerContext, type LayerConverter, unsupported } from '../layers/layer.ts';
import { outputMask } from '../layers/masks.ts';
import { isTensor } from '../layers/operations/arguments.ts';
import { operation, operationName, operations } from '../layers/operations/index.ts';
import { refuseWholeNumbers } from '../layers/whole-numbers.ts';
import type { DataType } from '../manifest/index.ts';
import { GraphBuilder, type ModelProto, type SymbolicTensor } from '../onnx/index.ts';
import { callsInOrder, takesMasks } from './call-order.ts';
import {
  isModel,
  kerasGraph,
  type LayerCall,
  referredTo,
  refsIn,
  refuseOtherCount,
  resolve,
  type TensorRef,
  untyped,
} from './graph.ts';
import {
  customRow,
  type KerasModel,
  type LayerConfig,
  layerName,
  type Weight,
  weightsUnder,
} from './model.ts';
import { unreadArguments, watched, writtenByKeras } from './unread-arguments.ts';

/** Where an output of a layer lives in the ONNX graph: parity names the first layer that diverges by it. */
export interface TracePoint {
  /** `<layer>:<call>`; inside a nested model `<model>:<call>/<layer>:<call>`. */
  readonly at: string;
  /** Which of the call's outputs. */
  readonly output: number;
  readonly tensor: string;
  readonly dtype: DataType;
  /** Whether the tensor has the channels before the space, where Keras has them last. */
  readonly channelsFirst: boolean;
}

/** A Keras model as ONNX, in float32. */
export interface OnnxConversion {
  readonly model: ModelProto;
  readonly trace: readonly TracePoint[];
}

/** Converters of classes that are not Keras's own, by class name. */
type CustomConverters = Readonly<Record<string, { readonly convert: LayerConverter }>>;

const keyOf = (ref: TensorRef) => `${ref.layer}:${ref.call}`;

/** Everything that stays the same while a model and the models inside it are converted. */
interface Conversion {
  readonly graph: GraphBuilder;
  readonly dialect: KerasModel['dialect'];
  readonly custom: CustomConverters;
  readonly isHalf: boolean;
  readonly trace: TracePoint[];
  /** Tensors whose masks Keras has taken off, by name: whoever reads one from now on finds none. */
  readonly unmasked: Set<string>;
}

/** Where in the nesting a model or layer is. */
interface Place {
  /** In front of names in ONNX: `encoder/`. */
  readonly name: string;
  /** In front of trace points: `encoder:0/`. */
  readonly trace: string;
  readonly weightsOf: (layer: LayerConfig) => readonly Weight[];
}

/** Keras 3's raw operations have none of a layer's fields; `.keras` also says where the class lives. */
function isOperation(layer: LayerConfig, dialect: KerasModel['dialect']): boolean {
  if (dialect !== 'keras-3' || layer.class_name === 'InputLayer' || isModel(layer)) return false;
  if ((layer.module ?? '').includes('.ops')) return true;
  if ('trainable' in layer.config) return false;
  const name = operationName({ className: layer.class_name, config: layer.config });
  const isLayer = Object.hasOwn(layers, layer.class_name);
  return !isLayer || (!('dtype' in layer.config) && Object.hasOwn(operations, name));
}

/** Whether a layer's class is known; its options may still be ones that are not covered. */
export function isConvertible(
  layer: LayerConfig,
  dialect: KerasModel['dialect'],
  custom: CustomConverters,
): boolean {
  if (isModel(layer) || customRow(custom, layer.class_name) !== undefined) return true;
  if (!isOperation(layer, dialect)) return Object.hasOwn(layers, layer.class_name);
  return Object.hasOwn(operations, operationName({ className: layer.class_name, config: layer.config }));
}

function converterOf(
  layer: Pick<LayerContext, 'name' | 'className' | 'isOperation'>,
  custom: CustomConverters,
): LayerConverter {
  const own = customRow(custom, layer.className);
  if (own !== undefined) return own.convert;
  if (layer.isOperation) return operation;
  if (Object.hasOwn(layers, layer.className)) return layers[layer.className as keyof typeof layers];
  throw unsupported(layer, 'there is no converter for this class');
}

function refuse(layer: Pick<LayerContext, 'name' | 'className'>, unread: readonly string[]): void {
  if (unread.length === 0) return;
  throw unsupported(layer, `what the argument ${unread.join(', ')} changes is not known here; leave it out`);
}

/**
 * Runs a converter and refuses an argument of the call that it does not read, for the gate's reference may not read it either.
 * @throws ConversionError CONVERSION_UNSUPPORTED_LAYER
 */
function readingAll(layer: LayerContext, convert: LayerConverter): ReturnType<LayerConverter> {
  refuseWholeNumbers(layer);
  const [args, kwargs, config] = [watched(layer.args), watched(layer.kwargs), watched(layer.config)];
  const result = convert({ ...layer, args: args.seen, kwargs: kwargs.seen, config: config.seen });
  // Tensors are among the inputs, too.
  const places = Object.entries(layer.args).filter(([, value]) => ![value].flat().every(isTensor));
  refuse(layer, [
    ...unreadArguments(Object.fromEntries(places), args.read),
    ...unreadArguments(layer.kwargs, new Set([...kwargs.read, ...writtenByKeras(layer.dialect)])),
    // The config of a layer says more than what it computes at inference.
    ...(layer.isOperation ? unreadArguments(layer.config, config.read) : []),
  ]);
  return result;
}

/** One call of one layer: a model inside is gone into, anything else is a row of layers/. */
function convertLayer(
  conversion: Conversion,
  layer: LayerConfig,
  weights: readonly Weight[],
  place: Place,
  call: {
    args: readonly unknown[];
    kwargs: Readonly<Record<string, unknown>>;
    inputs: readonly SymbolicTensor[];
  },
  at: string,
): readonly SymbolicTensor[] {
  const name = `${place.name}${layerName(layer)}`;
  if (isModel(layer)) {
    refuse(
      { name, className: layer.class_name },
      unreadArguments(call.kwargs, new Set(writtenByKeras(conversion.dialect))),
    );
    const inside: Place = {
      name: `${name}/`,
      trace: `${place.trace}${at}/`,
      weightsOf: (inner) => weightsUnder(weights, `layers/${layerName(inner)}`),
    };
    const masks = [call.kwargs['mask']].flat();
    // A mask by name is put on again.
    const masked = (input: SymbolicTensor, i: number) => {
      if (!isTensor(masks[i])) return input;
      conversion.unmasked.delete(input.name);
      return { ...input, mask: masks[i] };
    };
    return convertGraph(conversion, layer, inside, call.inputs.map(masked)).map(({ tensor }) => tensor);
  }
  const of = {
    name,
    className: layer.class_name,
    isOperation: isOperation(layer, conversion.dialect),
  };
  const converter = converterOf(of, conversion.custom);
  const isRaw = converter === operation;
  const context: LayerContext = {
    ...of,
    graph: conversion.graph,
    config: layer.config,
    dialect: conversion.dialect,
    weights,
    // What is no raw operation takes numbers as they are.
    args: isRaw ? call.args : call.args.map(untyped),
    kwargs: isRaw
      ? call.kwargs
      : Object.fromEntries(Object.entries(call.kwargs).map(([key, value]) => [key, untyped(value)])),
    inputs: call.inputs,
    isHalf: conversion.isHalf,
    inner: (inner, attribute, inputs, kwargs = {}) =>
      convertLayer(
        conversion,
        inner,
        weightsUnder(weights, attribute),
        { name: `${name}/`, trace: `${place.trace}${at}/`, weightsOf: () => [] },
        { args: inputs, kwargs, inputs },
        `${layerName(inner)}:0`,
      ),
  };
  const isOwn = customRow(conversion.custom, layer.class_name) !== undefined;
  const result = isOwn ? converter(context) : readingAll(context, converter);
  const [first, ...rest] = (Array.isArray(result) ? result : [result]) as [
    SymbolicTensor,
    ...SymbolicTensor[],
  ];
  // What is no operation may give back its very input, with a mask on it that Keras need not hand on.
  const isInput = !isRaw && call.inputs.some(({ name }) => name === first.name);
  const { mask: own, ...bare } = first;
  const mask = (isInput ? undefined : own) ?? outputMask(context);
  return [mask === undefined ? bare : { ...bare, mask }, ...rest];
}

/** The calls of a model, inputs before the calls that take them. @returns its outputs, and the layers that give them */
function convertGraph(
  conversion: Conversion,
  model: LayerConfig,
  place: Place,
  inputs: readonly SymbolicTensor[] | undefined,
): readonly { layer: string; tensor: SymbolicTensor }[] {
  const source = kerasGraph(model);
  const done = new Map<string, readonly SymbolicTensor[]>();

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
  const tensorsAt = (ref: TensorRef) => referredTo(ref, done.get(keyOf(ref)));
  const convert = (ref: TensorRef): void => {
    const { layer, args, kwargs, inputs: refs } = callAt(ref);
    const tensorsFor = (input: TensorRef): SymbolicTensor[] =>
      tensorsAt(input).map((tensor) => {
        if (tensor.mask === undefined || !conversion.unmasked.has(tensor.name)) return tensor;
        const { mask: _, ...unmasked } = tensor;
        return unmasked;
      });
    const call = {
      args: resolve(args, tensorsFor) as unknown[],
      kwargs: resolve(kwargs, tensorsFor) as Record<string, unknown>,
      inputs: refs.flatMap(tensorsFor),
    };
    const outputs = convertLayer(conversion, layer, place.weightsOf(layer), place, call, keyOf(ref));
    done.set(keyOf(ref), outputs);
    if (!isModel(layer) && takesMasks(layer, conversion.dialect))
      for (const { name, mask } of [...call.inputs, ...Object.values(call.kwargs).filter(isTensor)])
        if (mask !== undefined) conversion.unmasked.add(name);
    outputs.forEach(({ name, dtype, channelsFirst }, output) => {
      conversion.trace.push({
        at: `${place.trace}${keyOf(ref)}`,
        output,
        tensor: channelsFirst?.name ?? name,
        dtype,
        channelsFirst: channelsFirst !== undefined,
      });
    });
  };

  refuseOtherCount(model, source.inputs.length, inputs?.length);
  source.inputs.forEach((ref, i) => {
    if (inputs !== undefined) done.set(keyOf(ref), [inputs[i] as SymbolicTensor]);
    else if (!done.has(keyOf(ref))) convert(ref);
  });
  const ends = [...(takesMasks(model, conversion.dialect) ? callsInOrder(source) : []), ...source.outputs];
  for (const output of ends) visit(output, callAt, done, convert);
  return source.outputs.flatMap((ref) => tensorsAt(ref).map((tensor) => ({ layer: ref.layer, tensor })));
}

/**
 * Converts a model call by call; weights of a layer that is called several times are written once.
 * @throws ConversionError naming the layer for anything that is not covered exactly.
 */
export function kerasToOnnx(model: KerasModel, custom: CustomConverters = {}): OnnxConversion {
  const graph = new GraphBuilder();
  const conversion: Conversion = {
    graph,
    dialect: model.dialect,
    custom,
    isHalf: /"(mixed_)?b?float16"/.test(JSON.stringify(model.config)),
    trace: [],
    unmasked: new Set(),
  };
  const place: Place = {
    name: '',
    trace: '',
    weightsOf: (layer) => model.weights.get(layerName(layer)) ?? [],
  };
  for (const { layer, tensor } of convertGraph(conversion, model.config, place, undefined))
    graph.output(layer, tensor);
  return { model: graph.build('model'), trace: conversion.trace };
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
    const call = callAt(ref);
    const needed = done.has(keyOf(ref)) ? [] : [...call.inputs, ...refsIn(call.kwargs)];
    const waiting = needed.filter((input) => !done.has(keyOf(input)));
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
