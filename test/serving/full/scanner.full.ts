import { describe, expect, it } from '@jest/globals';
import { compareDocuments } from '../wire/scan-documents.ts';
import { compareNumbers } from '../wire/scan-numbers.ts';
import { compareWritten } from '../wire/write-floats.ts';

describe('the number scanner and the tensor writer, full counts', () => {
  it('reads 10,000,000 numbers bit for bit as JSON.parse and Math.fround do', () => {
    for (let seed = 1; seed <= 10; seed++) compareNumbers(1_000_000, seed);
  }, 1_200_000);

  it('accepts exactly what JSON.parse accepts, on 2,000,000 documents', () => {
    const { accepted, refused } = compareDocuments(2_000_000, 1);
    expect(Math.min(accepted, refused)).toBeGreaterThan(500_000);
  }, 1_200_000);

  it('writes every float32 there is so that it reads back as itself', () => {
    const bits = new Uint32Array(1 << 20);
    for (let base = 0; base < 2 ** 32; base += bits.length) {
      for (let index = 0; index < bits.length; index++) bits[index] = base + index;
      compareWritten(bits);
    }
  }, 3_600_000);
});
