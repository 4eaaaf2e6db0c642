import { ConversionError } from '../errors.ts';
import { type KerasDialect, type LayerConfig, variableOf, type Weight } from '../keras/model.ts';
import type { GraphBuilder, SymbolicTensor } from '../onnx/index.ts';

/** What a layer's converter gets. */
export interface LayerContext {
  readonly graph: GraphBuilder;
  /** Unique in the model: a layer of a nested model has the names around it in front. */
  readonly name: string;
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dialect: KerasDialect;
  readonly weights: readonly Weight[];
  /** Every tensor among the positional arguments, in order. */
  readonly inputs: readonly SymbolicTensor[];
  /** Arguments of the call as in the file: JSON with SymbolicTensor, Slice and `ellipsis` inside. */
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Whether the file is of Keras 3 and calls a raw operation (`keras.ops`), not a layer of the same name. */
  readonly isOperation: boolean;
  /** Whether something in the model computes in float16 or bfloat16 at training: here it is float32 as everything else. */
  readonly isHalf: boolean;
  /** Converts a layer that this one wraps. `attribute` says where its weights are among this layer's. */
  readonly inner: (
    layer: LayerConfig,
    attribute: string,
    inputs: readonly SymbolicTensor[],
    kwargs?: Readonly<Record<string, unknown>>,
  ) => readonly SymbolicTensor[];
}

/**
 * One Keras class as ONNX: a file in layers/ and a row in layers/index.ts.
 * @throws ConversionError CONVERSION_UNSUPPORTED_LAYER for an option that it does not cover; never converts it approximately.
 */
export type LayerConverter = (layer: LayerContext) => SymbolicTensor | readonly SymbolicTensor[];

/** A refusal that names the layer. */
export function unsupported(layer: Pick<LayerContext, 'name' | 'className'>, what: string): ConversionError {
  return new ConversionError(
    'CONVERSION_UNSUPPORTED_LAYER',
    `Layer '${layer.name}' (${layer.className}): ${what}`,
  );
}

/** The layer's only input. */
export function onlyInput(layer: LayerContext): SymbolicTensor {
  const [input] = layer.inputs;
  if (input === undefined || layer.inputs.length !== 1) {
    throw unsupported(layer, `expected one input, the file gives ${layer.inputs.length}`);
  }
  return input;
}

/** A value as float32: Keras casts what goes into a layer that computes. */
export function asFloat(layer: LayerContext, x: SymbolicTensor): SymbolicTensor {
  if (x.dtype === 'float32') return x;
  if (x.dtype === 'string') throw unsupported(layer, 'text inputs are not supported');
  const cast = layer.graph.node(
    'Cast',
    [x],
    { name: `${layer.name}/float`, shape: x.shape, dtype: 'float32' },
    { to: 1n },
  );
  return x.mask === undefined ? cast : { ...cast, mask: x.mask };
}

/** The layer's only input, as float32. */
export const floatInput = (layer: LayerContext): SymbolicTensor => asFloat(layer, onlyInput(layer));

/** A number of the config, or the fallback where it is absent or null. */
export function numberOption(layer: LayerContext, key: string, fallback: number): number {
  const value = layer.config[key];
  return typeof value === 'number' ? value : fallback;
}

/** One size for each dimension of space: `3`, `[3, 3]`. */
export function sizesOption(layer: LayerContext, key: string, rank: number, fallback: number): number[] {
  const value = layer.config[key] ?? fallback;
  const sizes = Array.isArray(value) ? value : Array.from({ length: rank }, () => value);
  const numbers = sizes.flat().map(Number);
  if (numbers.length !== rank || numbers.some((size) => !Number.isInteger(size))) {
    throw unsupported(layer, `${key}=${JSON.stringify(value)} has no size for each of ${rank} dimensions`);
  }
  return numbers;
}

/** A variable by its name (keras/variables.ts). */
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

/**
 * A variable as a float32 constant named `<layer>/<variable>`, once however often the layer is called.
 * @param perm axes in the order in which they are written; as stored where it is left out
 * @param shape what the result is reshaped to
 */
export function weightConstant(
  layer: LayerContext,
  name: string,
  perm?: readonly number[],
  shape?: readonly number[],
): SymbolicTensor {
  const found = weight(layer, name);
  return layer.graph.once(variableOf(found), `${perm ?? ''}:${shape ?? ''}`, () => {
    const data = perm === undefined ? found.data : permuted(found, perm);
    const dims =
      shape ?? (perm === undefined ? found.shape : perm.map((axis) => found.shape[axis] as number));
    return layer.graph.constant(`${layer.name}/${name}`, 'float32', dims, data);
  });
}

/** Rows and columns of what is copied at once: pieces of both sides stay near the processor. */
const tileSize = 32;

/** Offsets of all places of a tensor with such steps, in order. */
function placesOf(dims: readonly number[], steps: readonly number[]): Uint32Array {
  let places = Uint32Array.of(0);
  dims.forEach((size, axis) => {
    const further = new Uint32Array(places.length * size);
    for (let p = 0, at = 0; p < places.length; p++)
      for (let i = 0; i < size; i++) further[at++] = (places[p] as number) + i * (steps[axis] as number);
    places = further;
  });
  return places;
}

/** A loop of its own: as part of a large function the compiler takes longer over it than it runs. */
function copyTile(
  to: Float32Array,
  from: Float32Array,
  runs: Uint32Array,
  step: number,
  firstRow: number,
  endRow: number,
  firstColumn: number,
  endColumn: number,
): void {
  const width = runs.length;
  for (let r = firstColumn; r < endColumn; r++) {
    let at = (runs[r] as number) + firstRow * step;
    let place = firstRow * width + r;
    for (let i = firstRow; i < endRow; i++) {
      to[place] = from[at] as number;
      at += step;
      place += width;
    }
  }
}

/** A weight's numbers with its axes in another order. */
export function permuted({ shape, data }: Weight, perm: readonly number[]): Float32Array {
  if (perm.length !== shape.length) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `A variable has ${shape.length} dimensions where ${perm.length} are expected`,
    );
  }
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const dims = perm.map((axis) => shape[axis] as number);
  const steps = perm.map((axis) => strides[axis] as number);
  const out = new Float32Array(data.length);
  // Where every run along the first axis begins, in the order of what comes out.
  const [runs, length, step] = [placesOf(dims.slice(1), steps.slice(1)), dims[0] ?? 1, steps[0] ?? 1];
  // In tiles, so that what is read and what is written lie together: most of all when the last axis becomes the first.
  for (let tile = 0; tile < length; tile += tileSize) {
    const end = Math.min(tile + tileSize, length);
    for (let start = 0; start < runs.length; start += tileSize)
      copyTile(out, data, runs, step, tile, end, start, Math.min(start + tileSize, runs.length));
  }
  return out;
}
