import type { TensorValue } from '../engine/tensor.ts';
import { halfValue } from '../wire/float16.ts';

const floats: readonly string[] = ['float16', 'float32', 'float64'];

function elementOf({ dtype, data }: TensorValue, index: number): unknown {
  const value = data[index];
  if (dtype === 'float16') return halfValue(value as number);
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
}

function agree(a: unknown, b: unknown, tolerance: number): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b;
  // Of infinity any share is infinite.
  return (
    Object.is(a, b) || a === b || (Number.isFinite(a) && Math.abs(a - b) <= tolerance * (1 + Math.abs(a)))
  );
}

/** Whether two answers say the same: floating-point numbers within a tolerance, all else exactly. */
export function isAgreed(
  expected: readonly TensorValue[],
  actual: readonly TensorValue[],
  tolerance: number,
): boolean {
  return expected.every((one, place) => {
    const other = actual[place];
    if (other?.dtype !== one.dtype || String(other.shape) !== String(one.shape)) return false;
    const allowed = floats.includes(one.dtype) ? tolerance : 0;
    for (let index = 0; index < one.data.length; index++) {
      if (!agree(elementOf(one, index), elementOf(other, index), allowed)) return false;
    }
    return true;
  });
}
