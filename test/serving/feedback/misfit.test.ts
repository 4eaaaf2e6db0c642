import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Manifest, TensorSpec } from '../../../conversion/manifest/index.ts';
import type { FeedbackRequest, PredictionRecord } from '../../../serving/contract/index.ts';
import type { Servable } from '../../../serving/engine/servable.ts';
import { misfitsOf, refusalOf } from '../../../serving/feedback/misfit.ts';
import { feedbackSet } from '../../../training/feedback-set.ts';
import { feedbackRecord, stream } from '../../training/toy-model.ts';

const predictionId = '01a226ff-f51e-7b4d-9f45-2acb6f450efe';
const output = (name: string, ...shape: number[]): TensorSpec => ({ name, dtype: 'float32', shape });
const version = (digest: string, outputs: TensorSpec[], labels?: string[]): Servable =>
  ({
    model: 'm',
    version: 1,
    digest,
    manifest: { ...(labels && { labels }) } as Manifest,
    signature: { inputs: [output('x', -1, 2)], outputs },
  }) as unknown as Servable;
const answered = (digest: string, ...outputs: PredictionRecord['outputs']): PredictionRecord => ({
  predictionId,
  model: 'm',
  version: 1,
  digest,
  atMs: 0,
  rows: 2,
  outputs,
});
const scores = (width: number) => ({
  name: 'scores',
  dtype: 'float32',
  shape: [2, width],
  data: Array<number>(2 * width).fill(0),
});
type Said = Pick<FeedbackRequest, 'label' | 'correction' | 'rating'>;
const refusal = (said: Said, record: PredictionRecord, ...loaded: Servable[]) => {
  const request = { predictionId, row: 0, ...said };
  return refusalOf(record, request, misfitsOf(loaded, request));
};

const digits = version('d', [output('scores', -1, 10)], [...'0123456789']);
const values = (count: number) => ({ correction: Array<number>(count).fill(0) });

describe('feedback that can never be used', () => {
  it.each<[Said, string]>([
    [
      { label: 'four' },
      'Version 1 of model m has no class "four"; a label is an index from 0 to 9, or a name: "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"',
    ],
    [{ label: 10 }, 'Version 1 of model m has no class 10; a label is an index from 0 to 9, or a name: "0"'],
    [
      values(9),
      'Version 1 of model m has 10 values a row, the correction has 9; it has all true values of the row, in their order',
    ],
  ])('is refused with what would work: %j', (said, why) => {
    expect(refusal(said, answered('d', scores(10)), digits)).toContain(why);
  });

  it('is refused by the number of outputs where classes have no names, of which there are two at least', () => {
    const unnamed = version('d', [output('scores', -1, 1)]);
    expect(refusal({ label: '1' }, answered('d', scores(1)), unnamed)).toBe(
      'Version 1 of model m has no class "1"; a label is an index from 0 to 1',
    );
    expect(refusal({ label: 2 }, answered('d', scores(1)), unnamed)).toContain('no class 2');
    expect(refusal({ label: 1 }, answered('d', scores(1)), unnamed)).toBeUndefined();
  });

  it('is refused by the answer alone where its version is loaded no more', () => {
    const record = answered('old', scores(10));
    expect(refusal({ label: 10 }, record)).toBe(
      'The answer of version 1 of model m has no class 10; a label is an index from 0 to 9',
    );
    expect(refusal(values(9), record)).toContain('has 10 values a row, the correction has 9');
    for (const said of [{ label: 'four' }, { label: 9 }, values(10)])
      expect(refusal(said, record)).toBeUndefined();
    const words = { name: 'classes', dtype: 'string', shape: [2, 1], data: ['a', 'b'] };
    for (const said of [{ label: 7 }, values(10)])
      expect(refusal(said, answered('old', words))).toBeUndefined();
  });
});

describe('feedback that may be used', () => {
  it('is taken where any version that is loaded understands it, whichever answered', () => {
    const wider = version('w', [output('scores', -1, 11)], [...'0123456789', 'ten']);
    for (const said of [{ label: 'ten' }, { label: 10 }, values(11)]) {
      expect(refusal(said, answered('d', scores(10)), digits, wider)).toBeUndefined();
      expect(refusal(said, answered('gone', scores(10)), wider)).toBeUndefined();
    }
    expect(refusal({ label: 'eleven' }, answered('d', scores(10)), digits, wider)).toContain('"eleven"');
  });

  it('is taken where it fits any output, and where sizes are open', () => {
    const several = version('d', [output('box', -1, 4), output('grid', -1, 3, 5)], undefined);
    for (const count of [4, 15, 19, 5])
      expect([count, refusal(values(count), answered('d'), several)]).toEqual([count, undefined]);
    expect(refusal(values(3), answered('d'), several)).toContain('has 4 values');
    const open = version('d', [output('scores', -1, -1)]);
    for (const said of [{ label: 99 }, values(3)])
      expect(refusal(said, answered('d', scores(2)), open)).toBeUndefined();
  });

  it('is everything that retraining makes a class of', async () => {
    const classes = ['first', 'second', 'third'];
    const heldout = { rows: 0, rowSize: 2, inputs: new Float32Array(0) };
    const said: fc.Arbitrary<Said> = fc.oneof(
      fc.record({ label: fc.integer({ min: 0, max: 5 }) }),
      fc.record({ label: fc.constantFrom(...classes, '0', 'constructor') }),
      fc.record({ correction: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }) }),
      fc.record({ rating: fc.constantFrom(0, 0.5, 1) }),
    );
    const shapes = fc.constantFrom([-1, 3], [-1, 1], [-1, 2, 3], [-1], [-1, -1]);
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(said, shapes, fc.boolean(), async (truth, shape, hasNames) => {
        const loaded = version('d', [output('y', ...shape)], hasNames ? classes : undefined);
        const { manifest, signature } = loaded;
        const set = await feedbackSet(stream([feedbackRecord(1, truth)]), {
          model: 'toy',
          manifest: { ...manifest, signatures: { serving_default: signature } },
          heldout: heldout as unknown as Parameters<typeof feedbackSet>[1]['heldout'],
        });
        taken += set.y.length;
        const isBeyondNames = hasNames && typeof truth.label === 'number' && truth.label >= classes.length;
        if (set.y.length === 1 && !isBeyondNames)
          expect(refusal(truth, answered('d', scores(2)), loaded)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(50);
  });
});
