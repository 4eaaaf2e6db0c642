import type { DataType } from '../../manifest/index.ts';
import type { SymbolicTensor } from '../../onnx/index.ts';
import { applyNamed } from '../activations.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { cast, elementwise, extremeOf, scalar, shapeOf } from '../shapes.ts';
import {
  argument,
  first,
  floats,
  integer,
  isTensor,
  isWhole,
  numbers,
  type Operation,
  operand,
  pair,
  signed,
  tensorArgument,
  twoOf,
  twoTensorsOf,
  typeArgument,
  typeName,
  widened,
} from './arguments.ts';

export const binary =
  (op: string): Operation =>
  (layer) =>
    elementwise(layer, op, twoOf(layer));

export const comparison =
  (op: string): Operation =>
  (layer) =>
    elementwise(layer, op, twoTensorsOf(layer), 'bool');

export const extremeOfTwo =
  (op: 'Max' | 'Min'): Operation =>
  (layer) =>
    extremeOf(layer, op, twoOf(layer));

/** Where a tensor is equal to a number, less or greater. */
const compared = (
  layer: LayerContext,
  op: 'Equal' | 'Less' | 'Greater',
  x: SymbolicTensor,
  value: number,
): SymbolicTensor => elementwise(layer, op, [x, scalar(layer, value, x.dtype)], 'bool');

/** 1, 0 or -1, of the type that is given; of int64 the runtime's looks at the lower half only (1.30). */
export const sign: Operation = (layer) => {
  const x = first(layer);
  if (x.dtype === 'uint32')
    throw unsupported(layer, 'the sign of uint32, which TensorFlow takes wrong; cast it to int64 before');
  if (x.dtype !== 'int64') return elementwise(layer, 'Sign', [x]);
  const is = (op: 'Greater' | 'Less') => cast(layer, compared(layer, op, x, 0), x.dtype);
  return elementwise(layer, 'Sub', [is('Greater'), is('Less')]);
};

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

/**
 * Whole numbers by which others may be divided: the runtime ends the process at 0, where TensorFlow stops, and at the smallest number by -1,
 * where TensorFlow runs over. Both are 1 here.
 */
function divisor(layer: LayerContext, b: SymbolicTensor): { b: SymbolicTensor; isOpposite?: SymbolicTensor } {
  const given = argument(layer, 1, 'x2', 'y', 'b');
  const known = isTensor(given) ? undefined : [given].flat(8).map(Number);
  if (known?.includes(0)) throw unsupported(layer, 'whole numbers divided by 0');
  if (known !== undefined && !known.includes(-1)) return { b };
  const [isZero, isOpposite] = [compared(layer, 'Equal', b, 0), compared(layer, 'Equal', b, -1)];
  const isOdd = elementwise(layer, 'Or', [isZero, isOpposite], 'bool');
  return { b: elementwise(layer, 'Where', [isOdd, scalar(layer, 1, b.dtype), b], b.dtype), isOpposite };
}

/** Python's: rounds towards minus infinity. */
export const floorDivide: Operation = (layer) => {
  const operands = twoOf(layer);
  // Float32 holds the short ones; of a divisor that is computed it would not tell 0.
  const widen = isTensor(argument(layer, 1, 'x2', 'y', 'b')) ? widened : signed;
  const [a, given] = operands.map((x) => widen(layer, x)) as typeof operands;
  return cast(layer, flooredQuotient(layer, a, given), operands[0].dtype);
};

function flooredQuotient(layer: LayerContext, a: SymbolicTensor, given: SymbolicTensor): SymbolicTensor {
  if (!isWhole(a)) {
    const quotient = elementwise(layer, 'Div', [floats(layer, a), floats(layer, given)]);
    return elementwise(layer, 'Floor', [quotient]);
  }
  const { b, isOpposite } = divisor(layer, given);
  const quotient = elementwise(layer, 'Div', [a, b]);
  const back = elementwise(layer, 'Mul', [quotient, b]);
  const isCut = elementwise(layer, 'Not', [elementwise(layer, 'Equal', [back, a], 'bool')], 'bool');
  const isBelow = elementwise(
    layer,
    'Xor',
    [a, b].map((x) => compared(layer, 'Less', x, 0)),
    'bool',
  );
  const isOff = elementwise(layer, 'And', [isCut, isBelow], 'bool');
  const floored = elementwise(layer, 'Sub', [quotient, cast(layer, isOff, a.dtype)]);
  if (isOpposite === undefined) return floored;
  return elementwise(layer, 'Where', [isOpposite, elementwise(layer, 'Neg', [a]), floored], a.dtype);
}

/** Python's: has the sign of the divisor. */
export const modulo: Operation = (layer) => {
  const operands = twoTensorsOf(layer);
  const [x, y] = operands.map((each) => widened(layer, each)) as typeof operands;
  const left = isWhole(x) ? elementwise(layer, 'Mod', [x, divisor(layer, y).b]) : remainder(layer, x, y);
  return cast(layer, left, operands[0].dtype);
};

function remainder(layer: LayerContext, x: SymbolicTensor, y: SymbolicTensor): SymbolicTensor {
  const [a, b] = [floats(layer, x), floats(layer, y)];
  // What is left of a division that rounds would be off by as much as the divisor where the quotient is large.
  const left = elementwise(layer, 'Mod', [a, b], undefined, { fmod: 1n });
  const isWholly = compared(layer, 'Equal', left, 0);
  const isSame = elementwise(
    layer,
    'Equal',
    [left, b].map((x) => compared(layer, 'Less', x, 0)),
    'bool',
  );
  const isKept = elementwise(layer, 'Or', [isWholly, isSame], 'bool');
  return elementwise(layer, 'Where', [isKept, left, elementwise(layer, 'Add', [left, b])], 'float32');
}

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

/** exp(x) - 1 as tanh(x / 2) (exp(x) + 1), which keeps what is near 0. */
export const expm1: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const half = elementwise(layer, 'Tanh', [elementwise(layer, 'Mul', [x, scalar(layer, 0.5)])]);
  const sum = elementwise(layer, 'Add', [elementwise(layer, 'Exp', [x]), scalar(layer, 1)]);
  return elementwise(layer, 'Mul', [half, sum]);
};

/** log(1 + x); near 0, where the sum loses x, as 2 atanh(x / (x + 2)). */
export const log1p: Operation = (layer) => {
  const x = floats(layer, first(layer));
  const plus = (value: number) => elementwise(layer, 'Add', [x, scalar(layer, value)]);
  const share = elementwise(layer, 'Div', [x, plus(2)]);
  const near = elementwise(layer, 'Mul', [elementwise(layer, 'Atanh', [share]), scalar(layer, 2)]);
  const isNear = compared(layer, 'Less', elementwise(layer, 'Abs', [x]), 0.5);
  return elementwise(layer, 'Where', [isNear, near, elementwise(layer, 'Log', [plus(1)])], 'float32');
};

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
  const [a, b] = pair(layer, operand(layer, 1, 'x', 'x1'), operand(layer, 2, 'y', 'x2'));
  return chosen(layer, condition, a, b);
};

/** The runtime chooses among uint8 and what is computed with as such. */
function chosen(
  layer: LayerContext,
  condition: SymbolicTensor,
  a: SymbolicTensor,
  b: SymbolicTensor,
): SymbolicTensor {
  const held = (x: SymbolicTensor) =>
    x.dtype === 'uint8' ? x : x.dtype === 'bool' ? cast(layer, x, 'uint8') : widened(layer, x);
  const [first, second] = [held(a), held(b)];
  const y = elementwise(layer, 'Where', [condition, first, second], first.dtype);
  return cast(layer, y, a.dtype);
}

export const clip: Operation = (layer) => {
  const given = first(layer);
  const isBool = given.dtype === 'bool' && layer.isOperation;
  if (!isBool && !isWhole(given) && !given.dtype.startsWith('float'))
    throw unsupported(layer, `bounds of ${given.dtype}; cast it to int32 or float32 before`);
  const x = isBool ? cast(layer, given, 'int32') : numbers(layer, given);
  const low = argument(layer, 1, 'clip_value_min', 'x_min', 'min_value');
  const high = argument(layer, 2, 'clip_value_max', 'x_max', 'max_value');
  // In this order, for a lower bound above the upper one has the last word.
  const bounded = extremeOf(layer, 'Min', pair(layer, x, high));
  return extremeOf(layer, 'Max', pair(layer, bounded, low));
};

/** A number in every place, whatever is in the tensor. */
export const filledLike = (layer: LayerContext, x: SymbolicTensor, value: number, dtype: DataType) =>
  layer.graph.node('Expand', [scalar(layer, value, dtype), shapeOf(layer, x)], {
    name: `${layer.name}/like`,
    shape: x.shape,
  });

/** `zeros_like` and `ones_like`. */
export const like =
  (value: number): Operation =>
  (layer) => {
    const x = first(layer);
    return filledLike(layer, x, value, typeArgument(layer, 1, x.dtype, 'dtype'));
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
  const more = ['alpha', 'negative_slope', 'max_value', 'threshold'].find(
    (key) => Number(layer.kwargs[key] ?? 0) !== 0,
  );
  if (more !== undefined) throw unsupported(layer, `relu with ${more}`);
  const given = first(layer);
  return wholly(given) ? bounded(layer, given) : named('relu')(layer);
};

export const relu6: Operation = (layer) => {
  const given = first(layer);
  return wholly(given) ? bounded(layer, given, 6) : named('relu6')(layer);
};

const wholly = ({ dtype }: SymbolicTensor): boolean => /^u?int/.test(dtype);

/** Whole numbers from 0 to a bound, as such: of the type that they are given in. */
function bounded(layer: LayerContext, given: SymbolicTensor, high?: number): SymbolicTensor {
  const x = widened(layer, given);
  const limit = (value: number) => scalar(layer, value, x.dtype);
  const positive = given.dtype.startsWith('uint') ? x : extremeOf(layer, 'Max', [x, limit(0)]);
  return cast(
    layer,
    high === undefined ? positive : extremeOf(layer, 'Min', [positive, limit(high)]),
    given.dtype,
  );
}

export const squaredDifference: Operation = (layer) => {
  const difference = elementwise(layer, 'Sub', twoOf(layer));
  return elementwise(layer, 'Mul', [difference, difference]);
};

export const square: Operation = (layer) => {
  const x = first(layer);
  return elementwise(layer, 'Mul', [x, x]);
};

export const notEqual: Operation = (layer) =>
  elementwise(layer, 'Not', [comparison('Equal')(layer) as SymbolicTensor], 'bool');

/** What is whole stays as it is. */
export const roundHalfEven: Operation = (layer) => {
  const x = first(layer);
  return wholly(x) ? x : elementwise(layer, 'Round', [floats(layer, x)]);
};
