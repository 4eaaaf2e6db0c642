import { WireFault } from './faults.ts';
import type { Tensor } from './tensor.ts';

const isInfinite: Readonly<Partial<Record<Tensor['dtype'], (value: number) => boolean>>> = {
  // Exponent bits, all set.
  float16: (bits) => (bits & 0x7c00) === 0x7c00,
  float32: (value) => !Number.isFinite(value),
  float64: (value) => !Number.isFinite(value),
};

/**
 * For who refuses Infinity: a number of the text that is beyond the type, such as 1e39 for float32, became one.
 * @param path where the tensor stands, for messages
 * @throws WireFault WIRE_OUT_OF_RANGE
 */
export function refuseOverflow({ dtype, shape, data }: Tensor, path: string): void {
  const test = isInfinite[dtype];
  if (test === undefined) return;
  let at = (data as Float32Array).findIndex(test);
  if (at < 0) return;
  let place = '';
  for (const size of shape.toReversed()) {
    place = `[${at % size}]${place}`;
    at = Math.floor(at / size);
  }
  throw new WireFault('WIRE_OUT_OF_RANGE', { path: path + place, expected: dtype });
}
