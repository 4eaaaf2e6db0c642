import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FeaturesInput } from '../../../conversion/manifest/index.ts';
import type { TensorValue } from '../../../serving/engine/tensor.ts';
import { best, classScores } from '../../../serving/processing/class-scores.ts';
import { ProcessingFault } from '../../../serving/processing/fault.ts';
import { type Cell, FeatureEncoder } from '../../../serving/processing/features.ts';
import { bestOf } from '../../../serving/processing/outputs.ts';

/** One row of one declared column. */
function encode(feature: object, cell: Cell, dtype = 'float32'): number[] {
  const input = FeaturesInput.parse({ features: [{ name: 'f', ...feature }] });
  return [...(new FeatureEncoder(input, dtype).encode(1, () => cell) as Float32Array)];
}

const home = { kind: 'category', vocabulary: ['rent', 'own', 7] };

describe('a number', () => {
  it('is normalised in float32, from a number or its text', () => {
    const age = { kind: 'number', scale: 2, offset: 1, mean: 11, std: 4 };
    expect(encode(age, 9)).toEqual([2]);
    for (const text of ['9', ' 9 ', '+9.', '90e-1', '.9E1']) expect(encode(age, text)).toEqual([2]);
    expect(encode(age, 9n)).toEqual([2]);
    expect(encode({ kind: 'number', mean: 0.1, std: 0.3 }, 0.7)).toEqual([
      Math.fround(Math.fround(Math.fround(0.7) - Math.fround(0.1)) / Math.fround(0.3)),
    ]);
  });

  it('takes its default where it is missing, in each way to say so, and is refused without one', () => {
    for (const missing of [undefined, null, '', Number.NaN]) {
      expect(encode({ kind: 'number', default: 5 }, missing)).toEqual([5]);
      expect(() => encode({ kind: 'number' }, missing)).toThrow("row 0: feature 'f' is missing");
    }
    for (const wrong of ['abc', Number.POSITIVE_INFINITY, '1,5', ' ', '\t', '0x10', '0b1']) {
      expect(() => encode({ kind: 'number' }, wrong)).toThrow("row 0: feature 'f' must be a number");
    }
  });

  it('is refused beyond what the type of the input holds, which would be another number or NaN', () => {
    const types = { float32: 1e39, float64: 1e39, uint8: 256, int32: 2 ** 32, int64: 1e19 };
    for (const [dtype, huge] of Object.entries(types)) {
      const number = dtype === 'float64' ? { kind: 'number', scale: 10 } : { kind: 'number' };
      for (const each of [huge, `-${huge}`, BigInt(huge)])
        expect(() => encode(number, each, dtype)).toThrow(`row 0: feature 'f' is beyond what ${dtype} holds`);
    }
    expect(() => encode({ kind: 'number', scale: 1e30 }, 1e30)).toThrow('beyond what float32 holds');
  });

  it('that is not normalised keeps the digits that float32 does not have', () => {
    for (const [dtype, digits] of [
      ['int32', 16_777_217],
      ['float64', 0.1],
    ] as const)
      expect(encode({ kind: 'number' }, digits, dtype)).toEqual([digits]);
    expect(encode({ kind: 'number' }, 2 ** 53 - 1, 'int64')).toEqual([BigInt(2 ** 53 - 1)]);
    expect(encode({ kind: 'number' }, 0.1)).toEqual([Math.fround(0.1)]);
  });

  it('is found to be none in one pass over its text, however long that is', () => {
    const startedMs = performance.now();
    for (const long of ['1', ' ', '1.0e1'])
      expect(() => encode({ kind: 'number' }, `${long.repeat(200_000)}x`)).toThrow('must be a number');
    // Every other pass for each digit would take minutes.
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });
});

describe('a category', () => {
  it('is a one-hot or a place, the same for a number and its text', () => {
    expect(encode(home, 'own')).toEqual([0, 1, 0]);
    expect(encode(home, 7)).toEqual([0, 0, 1]);
    expect(encode(home, '7')).toEqual([0, 0, 1]);
    expect(encode({ ...home, encoding: 'index' }, 'own', 'int64')).toEqual([1n]);
  });

  it('does with an unknown word what its policy says', () => {
    expect(() => encode(home, 'boat')).toThrow("feature 'f' must be one of rent, own, 7");
    expect(encode({ ...home, unknown: 'zeros' }, 'boat')).toEqual([0, 0, 0]);
    expect(encode({ ...home, unknown: 'other' }, 'boat')).toEqual([1, 0, 0, 0]);
    expect(encode({ ...home, unknown: 'other' }, 'rent')).toEqual([0, 1, 0, 0]);
    expect(encode({ ...home, unknown: 'default', default: 'own' }, 'boat')).toEqual([0, 1, 0]);
    expect(encode({ ...home, unknown: 'other', encoding: 'index' }, 'boat')).toEqual([0]);
    expect(encode({ ...home, unknown: 'other', default: 'rent' }, null)).toEqual([0, 1, 0, 0]);
  });

  it('never tells what was sent, which may be private', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), (secret) => {
        fc.pre(
          !'row 0: feature must be one of rent, own, 7'.includes(secret) && Number.isNaN(Number(secret)),
        );
        for (const feature of [home, { kind: 'number' }]) {
          try {
            encode(feature, secret);
          } catch (error) {
            expect(error).toBeInstanceOf(ProcessingFault);
            expect((error as Error).message).not.toContain(secret);
          }
        }
      }),
    );
  });
});

describe('a declaration', () => {
  it('is refused where it contradicts itself', () => {
    const contradictions: [object, string][] = [
      [{ kind: 'category', vocabulary: ['a', 'a'] }, 'has a word twice'],
      [{ kind: 'category', vocabulary: ['a'], unknown: 'default' }, 'needs a default'],
      [{ kind: 'category', vocabulary: ['a'], unknown: 'zeros', encoding: 'index' }, 'is for one-hot'],
      [{ kind: 'category', vocabulary: ['a'], default: 'b' }, 'is not in the vocabulary'],
      [{ kind: 'number', std: 0 }, 'must not be 0'],
      [{ kind: 'number', mean: 0, variance: 1 }, 'variance'],
    ];
    for (const [feature, why] of contradictions) {
      const parsed = FeaturesInput.safeParse({ features: [{ name: 'f', ...feature }] });
      expect([feature, parsed.error?.message]).toEqual([feature, expect.stringContaining(why)]);
    }
  });
});

describe('the best classes', () => {
  const scores = (shape: number[], values: number[]): TensorValue => ({
    name: 'p',
    dtype: 'float32',
    shape,
    data: Float32Array.from(values),
  });

  it('are told best first, of equal ones the lower class', () => {
    const [classes, told] = bestOf(scores([2, 3], [0.25, 0.5, 0.25, 0, 0, 1]), ['a', 'b', 'c'], 2);
    expect(classes).toMatchObject({
      name: 'classes',
      dtype: 'string',
      shape: [2, 2],
      data: ['b', 'a', 'c', 'a'],
    });
    expect([...(told!.data as Float32Array)]).toEqual([0.5, 0.25, 1, 0]);
  });

  it('are those with a score, behind which those come whose score is no number', () => {
    const odd = [Number.NaN, 0.2, Number.NaN, 0.5, Number.NEGATIVE_INFINITY, 0.3];
    const [classes] = bestOf(scores([1, 6], odd), ['a', 'b', 'c', 'd', 'e', 'f'], 6);
    expect((classes!.data as string[]).slice(0, 3)).toEqual(['d', 'f', 'b']);
    expect(best(classScores(odd, 6), 2).map(({ index }) => index)).toEqual([3, 5]);
  });

  it('of one probability and two labels are both', () => {
    const [classes, told] = bestOf(scores([2, 1], [0.25, 0.75]), ['no', 'yes'], 2);
    expect(classes!.data).toEqual(['no', 'yes', 'yes', 'no']);
    expect([...(told!.data as Float32Array)]).toEqual([0.75, 0.25, 0.75, 0.25]);
  });
});
