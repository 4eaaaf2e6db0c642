import { ConversionError } from '../../errors.ts';
import type { KerasDialect, LayerConfig, Weight } from '../../keras/model.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import type { Value } from '../ir.ts';

/** What a layer's converter gets. Weights are as Keras stores them, row-major. */
export interface LayerContext {
  readonly graph: GraphBuilder;
  readonly name: string;
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dialect: KerasDialect;
  readonly weights: readonly Weight[];
  readonly inputs: readonly Value[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Converts a layer inside this one. @returns its outputs */
  inner(layer: LayerConfig, weights: readonly Weight[], inputs: readonly Value[]): readonly Value[];
}

/**
 * One Keras class as TFLite operations: a function in layers/ and a row in layers/index.ts.
 * @throws ConversionError CONVERSION_UNSUPPORTED_LAYER for what TFLite cannot hold; never converts it approximately.
 */
export type LayerConverter = (layer: LayerContext) => Value | readonly Value[];

/** A refusal that names the layer. */
export function unsupported(layer: Pick<LayerContext, 'name' | 'className'>, what: string): ConversionError {
  return new ConversionError(
    'CONVERSION_UNSUPPORTED_LAYER',
    `Layer '${layer.name}' (${layer.className}) does not go into a .tflite file: ${what}`,
  );
}

/** The layer's only input; most layers have one. */
export function onlyInput(layer: LayerContext): Value {
  const [input] = layer.inputs;
  if (input === undefined || layer.inputs.length !== 1) {
    throw unsupported(layer, `expected one input, the file gives ${layer.inputs.length}`);
  }
  return input;
}

/** A variable by Keras's name for it. */
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

/** A number of the config; `fallback` where the file does not say. */
export function numberOf(layer: LayerContext, key: string, fallback: number): number {
  const value = layer.config[key] ?? fallback;
  if (typeof value !== 'number') throw unsupported(layer, `${key}=${JSON.stringify(value)} is not a number`);
  return value;
}

/** An axis of a value, counted from the front. */
export function axisOf(layer: LayerContext, axis: number, rank: number): number {
  const front = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(front) || front < 0 || front >= rank) {
    throw unsupported(layer, `axis ${axis} of a value with ${rank} dimensions`);
  }
  return front;
}
