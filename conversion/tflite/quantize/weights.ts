import { countOf, type Quantization, type Value } from '../ir.ts';

/** Where an operation keeps its weights, and the axis of the output channel. */
export interface WeightSlot {
  readonly input: number;
  readonly axis: number;
}

/** Operations with weights, by TFLite's name. */
export const weightSlots: Readonly<Record<string, WeightSlot>> = {
  CONV_2D: { input: 1, axis: 0 },
  DEPTHWISE_CONV_2D: { input: 1, axis: 3 },
  FULLY_CONNECTED: { input: 1, axis: 0 },
  TRANSPOSE_CONV: { input: 1, axis: 0 },
};

/** A float32 constant; undefined for anything else. */
export function floatConstant(value: Value | undefined): (Value & { data: Float32Array }) | undefined {
  return value?.dtype === 'float32' && value.data instanceof Float32Array
    ? (value as Value & { data: Float32Array })
    : undefined;
}

/** Weights as int8 with one scale per channel, zero at 0: 127 is the largest absolute value of a channel. */
export function int8PerChannel(weights: Value & { data: Float32Array }, axis: number): Value {
  const channels = weights.shape[axis] as number;
  const inner = countOf(weights.shape.slice(axis + 1));
  const channelOf = (i: number) => Math.floor(i / inner) % channels;
  const largest = new Float64Array(channels);
  weights.data.forEach((value, i) => {
    largest[channelOf(i)] = Math.max(largest[channelOf(i)] as number, Math.abs(value));
  });
  // float32, as the file stores it; a channel of zeros may have any scale.
  const scale = Array.from(largest, (max) => Math.fround(max === 0 ? 1 : max / 127));
  const data = Int8Array.from(weights.data, (value, i) =>
    Math.min(Math.max(Math.round(value / (scale[channelOf(i)] as number)), -127), 127),
  );
  const quantization: Quantization = { scale, zeroPoint: scale.map(() => 0), dimension: axis };
  return { ...weights, dtype: 'int8', data, quantization };
}

const bits = new DataView(new ArrayBuffer(4));

/** The bits of the nearest float16, ties to even; what is too large becomes infinite. */
export function float16Bits(value: number): number {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const sign = (word >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | toEven(magnitude * 2 ** 24);
  const exponent = ((word >>> 23) & 255) - 127;
  // 1024 rolls over into the exponent, as it should.
  return sign | (((exponent + 15) << 10) + toEven((magnitude / 2 ** exponent - 1) * 1024));
}

function toEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
