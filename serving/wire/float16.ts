const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);
const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/** Bits of the float16 nearest to a double, ties to even, rounded once. */
export function halfBits(value: number): number {
  double[0] = value;
  const high = doubleWords[1]!;
  const sign = (high >>> 16) & 0x8000;
  if (Number.isNaN(value)) return sign | 0x7e00;
  const magnitude = Math.abs(value);
  // 65520 is halfway between the largest float16 and what would follow it.
  if (magnitude >= 65520) return sign | 0x7c00;
  // How many steps of the spacing that float16 has at this magnitude; subnormals share the lowest one.
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, -14);
  const spacing = 2 ** (exponent - 10);
  const steps = roundEven(magnitude / spacing);
  return sign | (steps + (exponent + 14) * 1024);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Value of float16 bits; every float16 is a float32. */
export function halfValue(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return (sign ? -1 : 1) * fraction * 2 ** -24;
  singleBits[0] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  return single[0]!;
}
