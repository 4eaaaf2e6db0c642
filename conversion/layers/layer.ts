import { ConversionError } from '../errors.ts';
import type { KerasDialect, Weight } from '../keras/model.ts';
import type { GraphBuilder, SymbolicTensor } from '../onnx/index.ts';

/** What a layer's converter gets. */
export interface LayerContext {
  readonly graph: GraphBuilder;
  readonly name: string;
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dialect: KerasDialect;
  readonly weights: readonly Weight[];
  readonly inputs: readonly SymbolicTensor[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/**
 * One Keras class as ONNX: a file in layers/ and a row in layers/index.ts.
 * @throws ConversionError CONVERSION_UNSUPPORTED_LAYER for an option that it does not cover; never converts it approximately.
 */
export type LayerConverter = (layer: LayerContext) => SymbolicTensor | readonly SymbolicTensor[];

/** A refusal that names the layer. */
export function unsupported(layer: LayerContext, what: string): ConversionError {
  return new ConversionError(
    'CONVERSION_UNSUPPORTED_LAYER',
    `Layer '${layer.name}' (${layer.className}): ${what}`,
  );
}

/** The layer's first input; most layers have one. */
export function onlyInput(layer: LayerContext): SymbolicTensor {
  const [input] = layer.inputs;
  if (input === undefined || layer.inputs.length !== 1) {
    throw unsupported(layer, `expected one input, the file gives ${layer.inputs.length}`);
  }
  return input;
}

/** A variable by Keras's name for it, as a constant of the graph. */
export function weight(layer: LayerContext, name: string): Weight {
  const found = layer.weights.find((candidate) => candidate.name === name);
  if (found === undefined) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `Layer '${layer.name}' (${layer.className}) has no variable '${name}' in the file`,
    );
  }
  return found;
}

/** A variable as a float32 constant named `<layer>/<variable>`. */
export function weightConstant(layer: LayerContext, name: string): SymbolicTensor {
  const { shape, data } = weight(layer, name);
  return layer.graph.constant(`${layer.name}/${name}`, 'float32', shape, data);
}
