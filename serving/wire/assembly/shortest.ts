import { SINGLE_POWERS } from './layout';

/** What `shortest` found: the value is `digits * 10^exponent`. */
export let digits: u32 = 0;
export let exponent: i32 = 0;

/** Upper 32 bits of a 96-bit product, the lowest one set where anything was cut off. */
@inline
function roundToOdd(power: u64, factor: u32): u32 {
  const sum = (power >> 32) * <u64>factor + (((power & 0xffffffff) * <u64>factor) >> 32);
  return <u32>(sum >> 32) | <u32>((sum & 0xffffffff) > 1);
}

/**
 * The shortest decimal that reads back as this positive, finite float32; of several the closest.
 * @see Giulietti, "The Schubfach way to render doubles", https://drive.google.com/file/d/1IEeATSVnEE6TkrHlCYNY2GjaraBjOT4f
 */
export function shortest(bits: u32): void {
  const field = bits & 0x7fffff;
  const biased = <i32>(bits >> 23);
  const significand = biased !== 0 ? field | 0x800000 : field;
  const binary = (biased !== 0 ? biased : 1) - 150;

  if (binary <= 0 && binary > -24 && (significand & ((1 << -binary) - 1)) === 0) {
    digits = significand >> -binary;
    exponent = 0;
    return;
  }

  // Below a power of two the neighbour is only half as far away.
  const isPowerOfTwo = field === 0 && biased > 1;
  const k = (binary * 1262611 - (isPowerOfTwo ? 524031 : 0)) >> 22;
  const shift = binary + ((-k * 1741647) >> 19) + 1;
  const power = load<u64>((<usize>(31 - k) << 3) + SINGLE_POWERS);
  const odd = significand & 1;
  const lower = roundToOdd(power, (significand * 4 - 2 + <u32>isPowerOfTwo) << shift) + odd;
  const middle = roundToOdd(power, (significand * 4) << shift);
  const upper = roundToOdd(power, (significand * 4 + 2) << shift) - odd;

  const near = middle >> 2;
  if (near >= 10) {
    const tens = near / 10;
    const isLow = lower <= tens * 40;
    const isHigh = tens * 40 + 40 <= upper;
    if (isLow !== isHigh) {
      digits = tens + <u32>isHigh;
      exponent = k + 1;
      return;
    }
  }
  const isLow = lower <= near * 4;
  const isHigh = near * 4 + 4 <= upper;
  const half = near * 4 + 2;
  const isUp = isLow !== isHigh ? isHigh : middle > half || (middle === half && (near & 1) !== 0);
  digits = near + <u32>isUp;
  exponent = k;
}
