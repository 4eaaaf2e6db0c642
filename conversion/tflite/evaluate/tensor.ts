import { type ConstantData, countOf } from '../ir.ts';
import type { FileTensor } from '../read.ts';

/** A value while a file is run: real numbers in float64, whatever the file stores. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A file that asks for what cannot be computed: shapes that do not fit, operators that are not known, far too much work. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}

/** Numbers of a value that is computed here: beyond, a file is taken for a damaged one. */
export const maxElements = 2 ** 27;

export function tensorOf(shape: readonly number[], data?: Float64Array): Tensor {
  const count = countOf(shape);
  if (shape.some((size) => !Number.isInteger(size) || size < 0) || count > maxElements) {
    throw new EvaluationError(`a value of the shape [${shape}]`);
  }
  if (data !== undefined && data.length !== count) {
    throw new EvaluationError(`${data.length} numbers for the shape [${shape}]`);
  }
  return { shape, data: data ?? new Float64Array(count) };
}

function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** What a tensor's stored number at `index` stands for. */
function scaleAt(tensor: FileTensor): (index: number) => readonly [scale: number, zero: number] {
  const { quantization, shape } = tensor;
  if (quantization === undefined) return () => [1, 0];
  const { scale, zeroPoint, dimension } = quantization;
  const inner = countOf(shape.slice(dimension + 1));
  const channel = (index: number) => (scale.length === 1 ? 0 : Math.floor(index / inner) % scale.length);
  return (index) => [scale[channel(index)] as number, zeroPoint[channel(index)] as number];
}

/** A constant's real values. */
export function realValues(tensor: FileTensor, data: ConstantData): Tensor {
  const at = scaleAt(tensor);
  const isHalf = tensor.dtype === 'float16';
  const isReal = tensor.quantization === undefined || tensor.dtype === 'float32';
  const result = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const stored = isHalf ? float16(Number(data[i])) : Number(data[i]);
    const [scale, zero] = isReal ? [1, 0] : at(i);
    result[i] = (stored - zero) * scale;
  }
  return tensorOf(tensor.shape, result);
}

const ranges: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
};

/** What is left of real values once they have been stored as a quantized tensor of the file. */
export function stored(tensor: FileTensor, value: Tensor): Tensor {
  const range = ranges[tensor.dtype ?? ''];
  if (tensor.quantization === undefined || range === undefined) return value;
  const [low, high] = range;
  const at = scaleAt({ ...tensor, shape: value.shape });
  const data = value.data.map((real, i) => {
    const [scale, zero] = at(i);
    const step = Math.round(real / scale) + zero;
    return (Math.min(Math.max(step, low), high) - zero) * scale;
  });
  return { shape: value.shape, data };
}
