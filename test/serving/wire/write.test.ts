import { describe, expect, it } from '@jest/globals';
import { WireFault } from '../../../serving/wire/faults.ts';
import type { Tensor } from '../../../serving/wire/tensor.ts';
import { tensorText } from '../../../serving/wire/writer.ts';
import { seeded } from './numbers.ts';
import { compareWritten, shortestDigits } from './write-floats.ts';

const float = (value: number, dtype: 'float32' | 'float64' = 'float32') =>
  tensorText(
    { dtype, shape: [], data: dtype === 'float32' ? Float32Array.of(value) : Float64Array.of(value) },
    'token',
  );

describe('the tensor writer', () => {
  it('writes float32 that read back as the same float32, one in 4,099 of all there are', () => {
    const chunk = 65536;
    for (let base = 0; base < 2 ** 32; base += 4099 * chunk) {
      compareWritten(Uint32Array.from({ length: chunk }, (_, index) => base + 4099 * index));
    }
  });

  it('writes the fewest digits that do', () => {
    const random = seeded(5);
    const value = new Float32Array(1);
    const bits = new Uint32Array(value.buffer);
    for (let index = 0; index < 10_000; index++) {
      bits[0] = random() * 0x7f800000;
      const digits = float(value[0]!)
        .replace(/e.*/, '')
        .replace('.', '')
        .replace(/^0+|0+$/g, '');
      expect(digits.length).toBeLessThanOrEqual(value[0] === 0 ? 0 : shortestDigits(value[0]!));
    }
  });

  it('keeps a point in whole numbers, as TensorFlow Serving does, and goes to exponents where JavaScript does', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      expect([0, -0, 1, -1, 100, 123456].map((value) => float(value, dtype))).toEqual([
        '0.0',
        '-0.0',
        '1.0',
        '-1.0',
        '100.0',
        '123456.0',
      ]);
      expect([0.000001, 1e-7, 1.5e-7, 1e20, 1e21].map((value) => float(value, dtype))).toEqual([
        '0.000001',
        '1e-7',
        '1.5e-7',
        '100000000000000000000.0',
        '1e+21',
      ]);
    }
    expect(float(0.1)).toBe('0.1');
    expect(float(1e-45)).toBe('1e-45');
    expect(float(3.4028234663852886e38)).toBe('3.4028235e+38');
  });

  it.each([
    [
      { dtype: 'float32', shape: [2, 1, 2], data: Float32Array.of(1, 2.5, -3, 4) },
      '[[[1.0,2.5]],[[-3.0,4.0]]]',
    ],
    [{ dtype: 'float16', shape: [2], data: Uint16Array.of(0x3e00, 0x8000) }, '[1.5,-0.0]'],
    [{ dtype: 'int8', shape: [3, 0], data: new Int8Array(0) }, '[[],[],[]]'],
    [{ dtype: 'uint8', shape: [1], data: Uint8Array.of(255) }, '[255]'],
    [
      { dtype: 'int64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) },
      '[-9223372036854775808,9223372036854775807]',
    ],
    [{ dtype: 'uint64', shape: [], data: BigUint64Array.of(2n ** 64n - 1n) }, '18446744073709551615'],
    [{ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) }, '[true,false]'],
    [{ dtype: 'string', shape: [2], data: ['é"', Buffer.from('b')] }, '["é\\"","b"]'],
  ] as [Tensor, string][])('nests as the shape says: %j', (tensor, text) => {
    expect(tensorText(tensor, 'token')).toBe(text);
  });

  it('gives bytes as base64 where asked to', () => {
    expect(tensorText({ dtype: 'string', shape: [1], data: [Buffer.from([0, 255])] }, 'token', true)).toBe(
      '[{"b64":"AP8="}]',
    );
  });

  it('does with NaN and Infinity what the policy says', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const data =
        dtype === 'float32'
          ? Float32Array.of(NaN, Infinity, -Infinity)
          : Float64Array.of(NaN, Infinity, -Infinity);
      const tensor = { dtype, shape: [3], data };
      expect(tensorText(tensor, 'token')).toBe('[NaN,Infinity,-Infinity]');
      expect(tensorText(tensor, 'null')).toBe('[null,null,null]');
      expect(() => tensorText(tensor, 'reject')).toThrow(WireFault);
    }
  });
});
