import type { LayerConfig, Weight } from '../../keras/model.ts';
import { functions } from './functions.ts';
import type { Laid } from './products.ts';
import { type Tensor, tensorOf } from './tensor.ts';

/** What the reference of a layer gets. */
export interface LayerInput {
  readonly layer: LayerConfig;
  readonly dialect: string;
  readonly weights: readonly Weight[];
  /** Every tensor among the positional arguments. */
  readonly inputs: readonly Tensor[];
  /** The call's arguments, tensors in place. */
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Numbers of inputs that nobody looks at after this call: what comes out may be written over them. */
  readonly spare: ReadonlySet<Float64Array>;
  /** Runs a layer inside this one, whose variables begin with `attribute/`. */
  readonly inner: (
    layer: LayerConfig,
    attribute: string,
    inputs: readonly Tensor[],
    kwargs?: Readonly<Record<string, unknown>>,
  ) => readonly Tensor[];
}

/** What a Keras class computes at inference, in float64. */
export type Evaluate = (input: LayerInput) => Tensor | readonly Tensor[];

export const isTensor = (value: unknown): value is Tensor =>
  value !== null && typeof value === 'object' && (value as Tensor).data instanceof Float64Array;

export const first = ({ inputs }: LayerInput): Tensor => inputs[0] as Tensor;

/** Memory for what is made of `x` number by number: its own, where that is spare. Fresh memory costs more than what is written to it. */
export const memoryLike = ({ spare }: LayerInput, { data }: Tensor): Float64Array =>
  spare.has(data) ? data : new Float64Array(data.length);

/** The first of the keys whose value is a number. */
export function number({ layer }: LayerInput, keys: readonly string[], fallback: number): number {
  const value = keys.map((key) => layer.config[key]).find((v) => typeof v === 'number');
  return (value as number | undefined) ?? fallback;
}

export const flag = ({ layer }: LayerInput, key: string, fallback: boolean): boolean => {
  const value = layer.config[key];
  return typeof value === 'boolean' ? value : fallback;
};

/** A list of `count` numbers, from a list or one number for all. */
export function numbers({ layer }: LayerInput, key: string, count: number, fallback: number): number[] {
  const value = layer.config[key] ?? fallback;
  return Array.isArray(value) ? value.map(Number) : Array.from({ length: count }, () => Number(value));
}

/** A variable as it is stored, in float32. */
export function stored(input: LayerInput, name: string): Weight {
  const found = input.weights.find((weight) => weight.name === name);
  if (found === undefined)
    throw new Error(`the reference misses variable '${name}' of '${String(input.layer.config['name'])}'`);
  return found;
}

export const variable = (input: LayerInput, name: string): Tensor => tensorOf(stored(input, name));

/** A stored variable as a matrix to multiply with: it becomes float64 there. */
export const matrixOf = (weight: Weight, shape = weight.shape): Laid => ({
  shape,
  layInto(memory) {
    const { data } = weight;
    // What is there of an earlier one must not stay.
    if (data.length !== memory.length)
      throw new Error(`'${weight.name}' has ${data.length} numbers for [${shape}]`);
    memory.set(data);
  },
});

/** The variable, or undefined where the layer has none such. */
export const optional = (input: LayerInput, name: string): Tensor | undefined =>
  input.weights.some((weight) => weight.name === name) ? variable(input, name) : undefined;

/** Applies an activation by the name in the config; a layer as an activation is run. */
export function activated(x: Tensor, input: LayerInput, key = 'activation'): Tensor {
  const value = input.layer.config[key] ?? 'linear';
  const registered = value as { class_name?: string; config?: unknown };
  const name =
    typeof value === 'string'
      ? value
      : registered.class_name === 'function'
        ? String(registered.config)
        : undefined;
  if (name === undefined) return input.inner(value as LayerConfig, key, [x])[0] as Tensor;
  const f = functions[name];
  if (f === undefined) throw new Error(`the reference does not know the activation '${name}'`);
  return f(x, input.dialect, input.spare.has(x.data) ? x.data : undefined);
}
