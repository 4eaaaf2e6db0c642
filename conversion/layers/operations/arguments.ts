import { TypedNumbers, untyped } from '../../keras/graph.ts';
import { type DataType, dataTypes } from '../../manifest/index.ts';
import { dataOf, type SymbolicTensor } from '../../onnx/index.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { axisOf, cast, scalar } from '../shapes.ts';

export type Operation = (layer: LayerContext) => SymbolicTensor | readonly SymbolicTensor[];

export const isTensor = (value: unknown): value is SymbolicTensor =>
  value !== null && typeof value === 'object' && 'dtype' in value && 'name' in value && 'shape' in value;

/** An argument by position or by one of its names; options of Keras 3's operations are in the config, where Keras 2 has a layer's. */
export const argument = (layer: LayerContext, position: number, ...names: string[]): unknown =>
  untyped(operand(layer, position, ...names));

/** The same of what a tensor meets: TypedNumbers stay such. */
export function operand(layer: LayerContext, position: number, ...names: string[]): unknown {
  if (position >= 0 && layer.args[position] !== undefined) return layer.args[position];
  for (const name of names) {
    const value = layer.kwargs[name] ?? (layer.isOperation ? layer.config[name] : undefined);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/** Nested numbers as a constant of the type of what they meet. */
export function constantOf(layer: LayerContext, value: unknown, dtype: DataType): SymbolicTensor {
  if (typeof value === 'number' || typeof value === 'boolean') {
    refuseRounded(layer, [Number(value)], dtype);
    return scalar(layer, Number(value), dtype);
  }
  if (!Array.isArray(value)) throw unsupported(layer, `the argument ${JSON.stringify(value)}`);
  const dims: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) dims.push(level.length);
  const flat = value.flat(dims.length) as number[];
  if (flat.some((item) => typeof item !== 'number' && typeof item !== 'boolean'))
    throw unsupported(layer, 'an argument that is not a number');
  const numbers = flat.map(Number);
  refuseRounded(layer, numbers, dtype);
  return layer.graph.constant(`${layer.name}/value`, dtype, dims, dataOf(dtype, numbers));
}

/** JSON was read into float64: of a larger whole number the last digits are lost; in a narrower type a number would be another. */
function refuseRounded(layer: LayerContext, numbers: readonly number[], dtype: DataType): void {
  if (!/^u?int/.test(dtype)) return;
  const isLong = dtype === 'int64' || dtype === 'uint64';
  const rounded = isLong && numbers.find((value) => !Number.isSafeInteger(value));
  if (typeof rounded === 'number')
    throw unsupported(layer, `the whole number ${rounded}, which is beyond 2^53`);
  const held = dataOf(dtype, numbers);
  const lost = numbers.find((value, i) => value !== Number(held[i]));
  if (lost !== undefined) throw unsupported(layer, `the number ${lost}, which is no ${dtype}`);
}

export function tensorArgument(layer: LayerContext, position: number, ...names: string[]): SymbolicTensor {
  const value = argument(layer, position, ...names);
  if (isTensor(value)) return value;
  if (value === undefined) throw unsupported(layer, `the argument '${names[0]}' is missing`);
  return constantOf(layer, value, 'float32');
}

const isWholeNumber = (value: unknown): boolean =>
  Array.isArray(value) ? value.every(isWholeNumber) : typeof value === 'boolean' || Number.isInteger(value);

const hasNumber = (value: unknown): boolean =>
  Array.isArray(value) ? value.some(hasNumber) : typeof value === 'number';

/** The type that holds whole numbers of several: as wide as they are, and where only some have a sign, twice as wide as those without. */
export function wholeType(types: readonly DataType[]): DataType {
  const whole = types.filter((type) => type !== 'bool');
  const widest = (start: string) =>
    Math.max(
      0,
      ...whole.filter((type) => type.startsWith(start)).map((type) => Number(type.replace(start, ''))),
    );
  const [signed, unsigned] = [widest('int'), widest('uint')];
  if (signed + unsigned === 0) return types[0] ?? 'float32';
  if (signed === 0) return `uint${unsigned}` as DataType;
  const width = Math.max(signed, 2 * unsigned);
  return width > 64 ? 'float32' : (`int${unsigned === 0 ? signed : width}` as DataType);
}

/** Whole numbers that are computed with as such; the shorter ones, which run over sooner, the runtime mostly does not take. */
export const isWhole = ({ dtype }: SymbolicTensor): boolean => dtype === 'int32' || dtype === 'int64';

/** What is computed with as int64, for neither int32 nor float32 holds all of uint32. */
export const signed = (layer: LayerContext, x: SymbolicTensor) =>
  x.dtype === 'uint32' ? cast(layer, x, 'int64') : x;

/** Short whole numbers as those that are computed with as such. */
export const widened = (layer: LayerContext, x: SymbolicTensor) =>
  /^u?int(8|16)$/.test(x.dtype) ? cast(layer, x, 'int32') : signed(layer, x);

/** Two operands in a common type: floating point wins, a plain number takes the other's. */
export function pair(layer: LayerContext, a: unknown, b: unknown): [SymbolicTensor, SymbolicTensor] {
  const types = [a, b].flatMap((v) => (isTensor(v) || v instanceof TypedNumbers ? [v.dtype] : []));
  const anyFloat =
    types.some((type) => type.includes('float')) ||
    [a, b].map(untyped).some((v) => !isTensor(v) && !isWholeNumber(v));
  const isPlain = types.length === 0 && layer.isOperation;
  const common: DataType = anyFloat ? 'float32' : isPlain ? 'bool' : wholeType(types as DataType[]);
  // To Keras 3 what is true is 1 where it meets a number; TensorFlow does not let them meet.
  const dtype = common === 'bool' && layer.isOperation && [a, b].some(hasNumber) ? 'int32' : common;
  const inType = (value: unknown) =>
    isTensor(value) ? cast(layer, value, dtype) : constantOf(layer, untyped(value), dtype);
  return [inType(a), inType(b)];
}

const left = (layer: LayerContext) => operand(layer, 0, 'x1', 'x', 'a');
const right = (layer: LayerContext) => operand(layer, 1, 'x2', 'y', 'b');

export const twoOf = (layer: LayerContext) => pair(layer, left(layer), right(layer));

/** The same where Keras 3 makes tensors of plain numbers before it looks at types: of whole numbers int32, or int64 where that does not hold them. */
export function twoTensorsOf(layer: LayerContext): [SymbolicTensor, SymbolicTensor] {
  const typed = (value: unknown) => {
    if (!layer.isOperation || !hasNumber(value) || !isWholeNumber(value)) return value;
    const isShort = [value].flat(8).every((number) => Number(number) === (Number(number) | 0));
    return new TypedNumbers(value, isShort ? 'int32' : 'int64');
  };
  return pair(layer, typed(left(layer)), typed(right(layer)));
}

/** Whole numbers as they are, anything else as float32. */
export const numbers = (layer: LayerContext, x: SymbolicTensor) => (isWhole(x) ? x : floats(layer, x));

export const floats = (layer: LayerContext, x: SymbolicTensor) =>
  x.dtype === 'float32' ? x : cast(layer, x, 'float32');

export const first = (layer: LayerContext) =>
  tensorArgument(layer, 0, 'x', 'input', 'features', 'logits', 'inputs', 'a', 'input_tensor');

export function axesOf(layer: LayerContext, rank: number, position = 1): number[] {
  const value = argument(layer, position, 'axis', 'dim', 'reduction_indices');
  if (value === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (Array.isArray(value) ? value : [value]).map(Number);
  if (list.some((axis) => !Number.isInteger(axis))) throw unsupported(layer, 'an axis that is computed');
  return list.map((axis) => axisOf(axis, rank));
}

export const keepDims = (layer: LayerContext) => argument(layer, -1, 'keepdims', 'keep_dims') === true;

export const tensorList = (layer: LayerContext): SymbolicTensor[] => {
  const value = argument(layer, 0, 'values', 'xs', 'x', 'arrays');
  const given = Array.isArray(value) ? value : [value];
  const list = given.filter(isTensor);
  if (list.length === 0) throw unsupported(layer, 'a list of tensors is expected');
  if (list.length < given.length)
    throw unsupported(
      layer,
      'numbers among the tensors that it joins; make a tensor of them, as x[:, :1] * 0 + 1',
    );
  const anyFloat = list.some(({ dtype }) => dtype.startsWith('float'));
  return list.map((x) => (anyFloat ? floats(layer, x) : x));
};

export const integer = (
  layer: LayerContext,
  fallback: number,
  position: number,
  ...names: string[]
): number => {
  const given = argument(layer, position, ...names);
  // Keras 3 writes it down where it is None, which is all values in a row.
  if (given === undefined && layer.isOperation && names.includes('axis') && layer.config['axis'] === null)
    throw unsupported(layer, 'axis=None, all values in a row; reshape them and give an axis');
  const value = given ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw unsupported(layer, `${names[0]} is not a whole number`);
  return value;
};

/** `tf.int32`, `<dtype: 'int32'>` and `int32` are one. */
export const typeName = (value: string): string =>
  value.replace(/^.*'(\w+)'.*$/, '$1').replace(/^half$/, 'float16');

/** The element type that an argument names; every float is a float32. */
export function typeArgument(
  layer: LayerContext,
  position: number,
  fallback: DataType,
  name: string,
): DataType {
  const value = argument(layer, position, name);
  if (value === undefined || value === null) return fallback;
  const wanted = typeName(String(value));
  const known = /^(b?float(16|32|64))$/.test(wanted) ? 'float32' : dataTypes.find((type) => type === wanted);
  if (known === undefined || known === 'string')
    throw unsupported(layer, `the element type ${String(value)}`);
  return known;
}
