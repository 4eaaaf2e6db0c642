import type { SymbolicTensor } from '../../onnx/index.ts';
import { type LayerContext, unsupported } from '../layer.ts';
import { cast, elementwise, scalar } from '../shapes.ts';
import { argument, isWhole, type Operation, twoOf } from './arguments.ts';
import { filledLike } from './elementwise.ts';

/** A whole number to powers that are computed: the product of its squares by the bits of the power. Of a power below 0 Keras has no answer. */
function powerOfNumber(layer: LayerContext, base: bigint, exponent: SymbolicTensor): SymbolicTensor {
  const { dtype } = exponent;
  const width = dtype === 'int64' ? 64 : 32;
  const number = (value: bigint) =>
    layer.graph.constant(
      `${layer.name}/value`,
      dtype,
      [],
      width === 64 ? BigInt64Array.of(value) : Int32Array.of(Number(value)),
    );
  let result = filledLike(layer, exponent, 1, dtype);
  let square = BigInt.asIntN(width, base);
  for (let bit = 0; bit < width - 1 && square !== 1n; bit++) {
    const place = number(1n << BigInt(bit));
    if (square === 0n) {
      const isBeyond = elementwise(layer, 'GreaterOrEqual', [exponent, place], 'bool');
      return elementwise(layer, 'Where', [isBeyond, scalar(layer, 0, dtype), result], dtype);
    }
    const odd = elementwise(layer, 'Mod', [elementwise(layer, 'Div', [exponent, place]), number(2n)]);
    const factor = elementwise(layer, 'Where', [cast(layer, odd, 'bool'), number(square), number(1n)], dtype);
    result = elementwise(layer, 'Mul', [result, factor]);
    square = BigInt.asIntN(width, square * square);
  }
  return result;
}

/** Of whole numbers, where one of the two is in the file: by squares, which run over as TensorFlow's do; the runtime's Pow goes by float64. */
export const power: Operation = (layer) => {
  const [a, b] = twoOf(layer);
  if (!isWhole(a)) return elementwise(layer, 'Pow', [a, b]);
  const base = argument(layer, 0, 'x1', 'x', 'a');
  if (typeof base === 'number') return powerOfNumber(layer, BigInt(base), b);
  const exponent = argument(layer, 1, 'x2', 'y', 'b');
  if (typeof exponent !== 'number' || exponent < 0)
    throw unsupported(
      layer,
      'whole numbers that are computed to a power that is negative or computed; cast them to float32 before',
    );
  let result: SymbolicTensor | undefined;
  let square = a;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = result === undefined ? square : elementwise(layer, 'Mul', [result, square]);
    if (rest > 1) square = elementwise(layer, 'Mul', [square, square]);
  }
  return result ?? filledLike(layer, a, 1, a.dtype);
};
