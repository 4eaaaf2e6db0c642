import { describe, expect, it } from '@jest/globals';
import { dataFromRaw } from '../../../serving/wire/raw.ts';
import { dataFromValues } from '../../../serving/wire/values.ts';

describe('values of a message', () => {
  it.each([
    ['uint8', 256],
    ['uint16', 65_536],
    ['int8', 128],
    ['int8', -129],
    ['int16', 32_768],
    ['float16', 65_536],
  ] as const)('are refused where %s does not hold %i, which would become another number', (dtype, value) => {
    const read = () => dataFromValues(dtype, 2, [1, value], 'values');
    expect(read).toThrow(`the number does not fit ${dtype}; at values[1]`);
  });

  it('repeat the last of them, and are zeros where there are none', () => {
    expect(dataFromValues('int8', 3, [-128, 127], '')).toEqual(Int8Array.of(-128, 127, 127));
    expect(dataFromValues('float32', 2, [Number.NaN], '')).toEqual(Float32Array.of(Number.NaN, Number.NaN));
    expect(dataFromValues('int64', 2, [], '')).toEqual(BigInt64Array.of(0n, 0n));
    expect(dataFromValues('bool', 2, [true, false], '')).toEqual(Uint8Array.of(1, 0));
  });
});

describe('raw values', () => {
  it('of bool are 0 or 1, whatever byte says that they are true: a model would multiply by it', () => {
    expect(dataFromRaw('bool', 4, Uint8Array.of(0, 1, 2, 255), '')).toEqual(Uint8Array.of(0, 1, 1, 1));
  });
});
