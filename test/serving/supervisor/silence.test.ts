import { describe, expect, it } from '@jest/globals';
import { patienceOf, Silence, type Watched } from '../../../serving/supervisor/silence.ts';

const worker = (change: Partial<Watched> = {}): Watched => ({
  isReady: true,
  isDraining: false,
  silentMs: 0,
  ...change,
});

describe('workers from which nothing is heard', () => {
  const patienceMs = patienceOf(40_000);
  const watch = (...workers: Watched[]) => {
    const seen = { silent: [] as Watched[], hung: [] as Watched[] };
    const silence = new Silence(() => workers, patienceMs, {
      silent: (each) => seen.silent.push(each),
      hung: (each) => seen.hung.push(each),
    });
    return { silence, seen };
  };

  it('may be silent for twice as long as a request may take, and for a minute in any case', () => {
    expect([1, 30_000, 40_000].map(patienceOf)).toEqual([60_000, 60_000, 80_000]);
  });

  it('hang once that time is over, and not before', () => {
    const silent = worker();
    const { silence, seen } = watch(worker({ silentMs: 0 }), silent);
    silent.silentMs = patienceMs - 500;
    silence.passed(250);
    expect(seen).toEqual({ silent: [silent], hung: [] });
    silence.passed(250);
    expect(seen.hung).toEqual([silent]);
  });

  it('do not hang that are heard of between', () => {
    const busy = worker();
    const { silence, seen } = watch(busy);
    for (let passedMs = 0; passedMs < 3 * patienceMs; passedMs += 500) {
      if (passedMs % 40_000 === 0) busy.silentMs = 0;
      silence.passed(500);
    }
    expect(seen.hung).toEqual([]);
    expect(seen.silent.length).toBeGreaterThan(0);
  });

  it('may load, and finish what they have, for longer', () => {
    const draining = worker({ isDraining: true });
    const { silence, seen } = watch(worker({ isReady: false }), draining);
    for (let passedMs = 0; passedMs < 3 * patienceMs; passedMs += 500) silence.passed(500);
    expect(seen.hung).toEqual([]);
    // What was given to it may go to others all the same.
    expect(new Set(seen.silent)).toEqual(new Set([draining]));
  });
});
