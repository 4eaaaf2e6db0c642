import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type CanaryOutcome, Judge, type Verdict, wellAfterMs } from '../../../serving/canary/judge.ts';
import { Canary } from '../../../serving/contract/settings.ts';

const rules = Canary.parse({ minSamples: 20, maxDifferent: 0.1, maxFailing: 0.1, maxSlowdown: 3 });
const same = (canaryMs = 10, stableMs = 10): CanaryOutcome => ({ kind: 'same', stableMs, canaryMs });
const different: CanaryOutcome = { kind: 'different', stableMs: 10, canaryMs: 10 };

function judged(outcomes: readonly CanaryOutcome[]): Verdict | undefined {
  const judge = new Judge(rules);
  let verdict: Verdict | undefined;
  for (const outcome of outcomes) verdict ??= judge.add(outcome);
  return verdict;
}

const times = (count: number, outcome: CanaryOutcome) => new Array<CanaryOutcome>(count).fill(outcome);

describe('the judge of a canary', () => {
  it('lets one stay that stays within every limit, in any order', () => {
    // One fault of a kind in ten at most, whatever part of the run is looked at.
    const block = fc.shuffledSubarray([...times(18, same()), different, { kind: 'failing' } as const], {
      minLength: 20,
    });
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), (blocks) => {
        const judge = new Judge(rules);
        const verdicts = blocks.map((each) => each.map((outcome) => judge.add(outcome)).at(-1));
        expect(verdicts.every((verdict) => verdict === undefined)).toBe(true);
      }),
    );
  });

  it.each([
    ['wrong', [...times(17, same()), ...times(3, different)], /15\.0 % of 20 answers differ/],
    [
      'failing',
      [...times(17, same()), ...times(3, { kind: 'failing' })],
      /15\.0 % of 20 requests were failing/,
    ],
    ['slow', times(20, same(31)), /31\.00 ms where stable takes 10\.00 ms/],
    ['slow', [...times(17, { kind: 'answered' }), ...times(3, { kind: 'late' })], /were late/],
  ] as const)('says %s', (reason, outcomes, message) => {
    const verdict = judged(outcomes);
    expect(verdict?.reason).toBe(reason);
    expect(verdict?.message).toMatch(message);
  });

  it('says nothing before it has seen enough', () => {
    expect(judged(times(19, different))).toBeUndefined();
    expect(judged([...times(30, { kind: 'answered' }), ...times(19, different)])).toBeUndefined();
  });

  it('sees a canary that is wrong among many more answers that nothing was compared with', () => {
    const mostly = [...times(30, { kind: 'answered' }), different];
    expect(judged(Array.from({ length: 100 }, () => mostly).flat())?.reason).toBe('wrong');
  });

  it('waits for as many answers as it is told, and no longer', () => {
    const judge = new Judge({ ...rules, minSamples: 700 });
    for (const outcome of times(699, different)) expect(judge.add(outcome)).toBeUndefined();
    expect(judge.add(different)?.reason).toBe('wrong');
  });

  it('takes the noise of a machine for no slowness', () => {
    expect(judged(times(50, same(1.9, 0.1)))).toBeUndefined();
  });

  it('forgives one crash, and no second', () => {
    const judge = new Judge(rules);
    expect(judge.crashed()).toBeUndefined();
    expect(judge.crashed()?.reason).toBe('crashing');
  });

  it('forgives some ends with nothing to do, and more of them where it was well for long between', () => {
    const judge = new Judge(rules);
    for (let time = 0; time < 50; time++) expect(judge.endedIdle(wellAfterMs)).toBeUndefined();
    for (let time = 0; time < 4; time++) expect(judge.endedIdle(wellAfterMs - 1)).toBeUndefined();
    expect(judge.endedIdle(0)?.reason).toBe('crashing');
  });
});
