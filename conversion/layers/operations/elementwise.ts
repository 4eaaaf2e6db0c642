import type { DataType } from '../../manifest/index.ts';
import type { SymbolicTensor } from '../../onnx/index.ts';
import { applyNamed } from '../activations.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { cast, elementwise, scalar, shapeOf } from '../shapes.ts';
import {
  argument,
  first,
  floats,
  integer,
  isTensor,
  isWhole,
  numbers,
  type Operation,
  pair,
  tensorArgument,
  twoOf,
  typeArgument,
  typeName,
} from './arguments.ts';

export const binary =
  (op: string, dtype?: DataType): Operation =>
  (layer) =>
    elementwise(layer, op, twoOf(layer), dtype);

export const logical =
  (op: string): Operation =>
  (layer) =>
    elementwise(
      layer,
      op,
      twoOf(layer).map((x) => cast(layer, x, 'bool')),
      'bool',
    );

export const divide: Operation = (layer) =>
  elementwise(
    layer,
    'Div',
    twoOf(layer).map((x) => floats(layer, x)),
  );

/** Whole numbers by which others may be divided: the runtime ends the process at 0, where TensorFlow stops. */
const divisor = (layer: LayerContext, b: SymbolicTensor) => {
  if (!isTensor(argument(layer, 1, 'x2', 'y', 'b'))) return b;
  const isZero = elementwise(layer, 'Equal', [b, scalar(layer, 0, b.dtype)], 'bool');
  return elementwise(layer, 'Where', [isZero, scalar(layer, 1, b.dtype), b], b.dtype);
};

/** Python's: rounds towards minus infinity. */
export const floorDivide: Operation = (layer) => {
  const [a, given] = twoOf(layer);
  if (!isWhole(a)) {
    const quotient = elementwise(layer, 'Div', [floats(layer, a), floats(layer, given)]);
    return cast(layer, elementwise(layer, 'Floor', [quotient]), a.dtype);
  }
  const b = divisor(layer, given);
  const quotient = elementwise(layer, 'Div', [a, b]);
  const back = elementwise(layer, 'Mul', [quotient, b]);
  const isCut = elementwise(layer, 'Not', [elementwise(layer, 'Equal', [back, a], 'bool')], 'bool');
  const isNegative = (x: SymbolicTensor) =>
    elementwise(layer, 'Less', [x, scalar(layer, 0, x.dtype)], 'bool');
  const isBelow = elementwise(layer, 'Xor', [isNegative(a), isNegative(b)], 'bool');
  const isOff = elementwise(layer, 'And', [isCut, isBelow], 'bool');
  return elementwise(layer, 'Sub', [quotient, cast(layer, isOff, a.dtype)]);
};

/** Python's: has the sign of the divisor. */
export const modulo: Operation = (layer) => {
  const [x, y] = twoOf(layer);
  if (isWhole(x)) return elementwise(layer, 'Mod', [x, divisor(layer, y)]);
  const [a, b] = [floats(layer, x), floats(layer, y)];
  const quotient = elementwise(layer, 'Floor', [elementwise(layer, 'Div', [a, b])]);
  return elementwise(layer, 'Sub', [a, elementwise(layer, 'Mul', [quotient, b])]);
};

export const unary =
  (op: string): Operation =>
  (layer) =>
    elementwise(layer, op, [floats(layer, first(layer))]);

export const keeping =
  (op: string): Operation =>
  (layer) =>
    elementwise(layer, op, [first(layer)]);

export const named =
  (name: string): Operation =>
  (layer) =>
    applyNamed(layer, name, floats(layer, first(layer)));

export const chain = (layer: LayerContext, x: SymbolicTensor, ...ops: string[]) =>
  ops.reduce((y, op) => elementwise(layer, op, [y]), x);

export const castTo: Operation = (layer) => {
  const value = String(argument(layer, 1, 'dtype'));
  const wanted = typeName(value);
  const dtype = typeArgument(layer, 1, 'float32', 'dtype');
  const x = first(layer);
  // Keras hands the mask on where this is no change of type, which a float32 model cannot tell for the others.
  if (x.mask !== undefined && (dtype !== wanted || layer.isHalf))
    throw unsupported(layer, `a cast of what is masked to ${wanted}; cast before the mask is made`);
  return cast(layer, x, dtype);
};

/** `convert_to_tensor` of what is a tensor: itself, or a cast. */
export const converted: Operation = (layer) =>
  argument(layer, 1, 'dtype') === undefined ? first(layer) : castTo(layer);

export const where: Operation = (layer) => {
  const condition = cast(layer, tensorArgument(layer, 0, 'condition'), 'bool');
  const [a, b] = pair(layer, argument(layer, 1, 'x', 'x1'), argument(layer, 2, 'y', 'x2'));
  return elementwise(layer, 'Where', [condition, a, b], a.dtype);
};

export const clip: Operation = (layer) => {
  const x = numbers(layer, first(layer));
  const low = argument(layer, 1, 'clip_value_min', 'x_min', 'min_value');
  const high = argument(layer, 2, 'clip_value_max', 'x_max', 'max_value');
  const bounded = elementwise(layer, 'Max', pair(layer, x, low));
  return elementwise(layer, 'Min', pair(layer, bounded, high));
};

/** `zeros_like` and `ones_like`, whatever is in the tensor. */
export const like =
  (value: number): Operation =>
  (layer) => {
    const x = first(layer);
    const dtype = typeArgument(layer, 1, x.dtype, 'dtype');
    return layer.graph.node('Expand', [scalar(layer, value, dtype), shapeOf(layer, x)], {
      name: `${layer.name}/like`,
      shape: x.shape,
    });
  };

export const softmaxOf =
  (op: string): Operation =>
  (layer) => {
    const x = floats(layer, first(layer));
    const axis = integer(layer, -1, 1, 'axis');
    return layer.graph.node(
      op,
      [x],
      { name: `${layer.name}/softmax`, shape: x.shape },
      { axis: BigInt(axis) },
    );
  };

export const leaky: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const alpha = Number(argument(layer, -1, 'alpha', 'negative_slope') ?? 0.2);
  return layer.graph.node('LeakyRelu', [x], { name: `${layer.name}/leaky`, shape: x.shape }, { alpha });
};

export const gelu: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const isKeras3 = layer.isOperation;
  const approximate = argument(layer, -1, 'approximate') ?? isKeras3;
  const attributes = approximate === true ? { approximate: 'tanh' } : {};
  return layer.graph.node('Gelu', [x], { name: `${layer.name}/gelu`, shape: x.shape }, attributes);
};

export const relu: Operation = (layer) => {
  const given = ['alpha', 'negative_slope', 'max_value', 'threshold'].find(
    (key) => Number(layer.kwargs[key] ?? 0) !== 0,
  );
  if (given !== undefined) throw unsupported(layer, `relu with ${given}`);
  return named('relu')(layer);
};

export const squaredDifference: Operation = (layer) => {
  const difference = elementwise(layer, 'Sub', twoOf(layer));
  return elementwise(layer, 'Mul', [difference, difference]);
};

export const square: Operation = (layer) => {
  const x = first(layer);
  return elementwise(layer, 'Mul', [x, x]);
};

export const notEqual: Operation = (layer) =>
  elementwise(layer, 'Not', [elementwise(layer, 'Equal', twoOf(layer), 'bool')], 'bool');

/** What is whole stays as it is. */
export const roundHalfEven: Operation = (layer) => {
  const x = first(layer);
  return isWhole(x) ? x : elementwise(layer, 'Round', [floats(layer, x)]);
};
