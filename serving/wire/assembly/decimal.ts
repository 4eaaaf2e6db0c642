import { POWERS_OF_FIVE, POWERS_OF_TEN } from './layout';

/** Correctly rounded by the host, for what the exact paths below leave open. */
@external('host', 'number')
declare function hostNumber(start: usize, end: usize): f64;

/** Eight ASCII digits in a little-endian word? */
@inline
export function isEightDigits(word: u64): bool {
  return ((word & 0xf0f0f0f0f0f0f0f0) | (((word + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4)) === 0x3333333333333333;
}

/** Value of eight ASCII digits in a little-endian word: pairs, then fours, then all of them, three multiplications. */
@inline
export function eightDigits(word: u64): u64 {
  word -= 0x3030303030303030;
  word = word * 10 + (word >> 8);
  return (
    ((word & 0x000000ff000000ff) * 0x000f424000000064 + ((word >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32
  );
}

/** The upper 64 bits of a product. */
@inline
function high64(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  return aHigh * bHigh + (middle >> 32) + ((aLow * bHigh + (middle & 0xffffffff)) >> 32);
}

/**
 * The double nearest to `digits * 10^exponent`, ties to even.
 * Clinger's fast path where both factors are exact doubles, else Lemire's product of 64 by 128 bits; the few products that leave
 * the rounding open, and numbers of more than 19 digits (`inexact`), go to the host.
 * @see Lemire, "Number parsing at a gigabyte per second", https://arxiv.org/abs/2101.11408
 */
export function toDouble(digits: u64, exponent: i32, inexact: bool, start: usize, end: usize): f64 {
  if (inexact) return hostNumber(start, end);
  if (digits === 0) return 0;
  if (digits <= 0x20000000000000) {
    if (exponent >= 0 && exponent <= 22) return <f64>digits * load<f64>((<usize>exponent << 3) + POWERS_OF_TEN);
    if (exponent < 0 && exponent >= -22) return <f64>digits / load<f64>((<usize>-exponent << 3) + POWERS_OF_TEN);
  }
  if (exponent < -342) return 0;
  if (exponent > 308) return Infinity;

  const leadingZeros = <i32>clz(digits);
  const normalized = digits << leadingZeros;
  const row = (<usize>(exponent + 342) << 4) + POWERS_OF_FIVE;
  const five = load<u64>(row);
  let low = normalized * five;
  let high = high64(normalized, five);
  if ((high & 0x1ff) === 0x1ff) {
    const correction = high64(normalized, load<u64>(row, 8));
    low += correction;
    if (low < correction) high++;
    if (low === u64.MAX_VALUE && (exponent < -27 || exponent > 55)) return hostNumber(start, end);
  }

  const upperBit = <i32>(high >> 63);
  const shift = upperBit + 9;
  let mantissa = high >> shift;
  let power = ((217706 * exponent) >> 16) + 63 + upperBit - leadingZeros + 1023;
  if (power <= 0) {
    if (1 - power >= 64) return 0;
    mantissa >>= 1 - power;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    return reinterpret<f64>(mantissa);
  }
  // Exactly between two doubles: only these powers can be, and then the even one is meant.
  if (low <= 1 && exponent >= -4 && exponent <= 23 && (mantissa & 3) === 1 && mantissa << shift === high) mantissa &= ~1;
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa >= 0x20000000000000) {
    mantissa = 0x10000000000000;
    power++;
  }
  if (power >= 0x7ff) return Infinity;
  return reinterpret<f64>((mantissa & 0xfffffffffffff) | (<u64>power << 52));
}
