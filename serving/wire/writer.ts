import { countOf } from '../engine/tensor.ts';
import { HEAP, REPORT_SHAPE } from './assembly/layout.ts';
import { WireFault } from './faults.ts';
import { halfValue } from './float16.ts';
import { wireMemory } from './memory.ts';
import { type NonFinitePolicy, nonFinitePolicies } from './policy.ts';
import type { NumericData, StringData, Tensor } from './tensor.ts';

/** Longest text of one element with its comma: -100000000000000000000.0 as float32, 20 digits and a sign as int64. */
const elementBytes = 28;

/**
 * A tensor as JSON text, arrays nested as its shape says. float32 as the shortest decimal that reads back as the same float32,
 * float64 as JavaScript writes it; strings as text, or `{"b64"}` where `asBase64`.
 * @throws WireFault WIRE_NON_FINITE where the policy refuses a value
 */
export function tensorText(tensor: Tensor, policy: NonFinitePolicy, asBase64 = false): string {
  const { dtype, shape, data } = tensor;
  if (dtype === 'string') return nested(shape, (data as StringData).map(asBase64 ? base64Text : stringText));
  if (dtype === 'float64')
    return nested(
      shape,
      Array.from(data as Float64Array, (value) => doubleText(value, policy)),
    );
  if (dtype === 'float16') {
    return tensorText(
      { dtype: 'float32', shape, data: Float32Array.from(data as Uint16Array, halfValue) },
      policy,
    );
  }
  const elements = data as NumericData;
  const memory = wireMemory();
  memory.load([new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength)]);
  const out = memory.elementsAt;
  memory.reserve(out + elementBytes * elements.length + bracketBytes(shape));
  memory.report.set(shape, (REPORT_SHAPE >> 2) + 1);
  const end = memory.write[dtype](HEAP, shape.length, out, nonFinitePolicies[policy]);
  if (end === 0) throw new WireFault('WIRE_NON_FINITE');
  return memory.bytes.toString('latin1', out, end);
}

/** Upper bound of the bytes that brackets and the commas between arrays take. */
function bracketBytes(shape: readonly number[]): number {
  let bytes = 2;
  for (let axis = 0; axis < shape.length; axis++) bytes += 3 * countOf(shape.slice(0, axis));
  return bytes;
}

/** Element texts with the brackets of a shape. */
function nested(shape: readonly number[], texts: readonly string[]): string {
  let next = 0;
  const axis = (depth: number): string => {
    if (depth === shape.length) return texts[next++]!;
    return `[${Array.from({ length: shape[depth]! }, () => axis(depth + 1)).join(',')}]`;
  };
  return axis(0);
}

function doubleText(value: number, policy: NonFinitePolicy): string {
  if (Number.isFinite(value)) {
    const text = Object.is(value, -0) ? '-0' : String(value);
    return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text;
  }
  if (policy === 'reject') throw new WireFault('WIRE_NON_FINITE');
  return policy === 'null' ? 'null' : String(value);
}

function base64Text(value: string | Uint8Array): string {
  return `{"b64":"${Buffer.from(value as Uint8Array).toString('base64')}"}`;
}

function stringText(value: string | Uint8Array): string {
  return JSON.stringify(typeof value === 'string' ? value : Buffer.from(value).toString('utf8'));
}
