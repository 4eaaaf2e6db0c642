import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Traffic } from '../../../serving/canary/traffic.ts';
import { ServedModel } from '../../../serving/contract/settings.ts';

const labels = ['stable', 'canary', 'third'];
const versionLabels = { stable: 1, canary: 2, third: 3 };
const trafficOf = (further: object) =>
  new Traffic(ServedModel.parse({ name: 'm', versionLabels, ...further }));

describe('requests that name no version', () => {
  it('are shared out by weight, exactly to one request', () => {
    const weight = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(fc.tuple(weight, weight, weight), fc.integer({ min: 1, max: 600 }), (weights, requests) => {
        const given = Object.fromEntries(labels.map((label, index) => [label, weights[index]]));
        const traffic = trafficOf({ weights: given });
        const counts = new Map(labels.map((label) => [label, 0]));
        for (let n = 0; n < requests; n++) {
          const label = traffic.pick() as string;
          counts.set(label, (counts.get(label) as number) + 1);
        }
        const total = weights.reduce((sum, each) => sum + each, 0);
        labels.forEach((label, index) => {
          const due = (requests * (weights[index] as number)) / total;
          expect(Math.abs((counts.get(label) as number) - due)).toBeLessThanOrEqual(2);
        });
      }),
    );
  });

  it('go to stable where the canary was taken out, or has no weight', () => {
    const traffic = trafficOf({ weights: { stable: 1, canary: 1 } });
    traffic.removed = new Map([[2, 'wrong']]);
    expect(Array.from({ length: 10 }, () => traffic.pick())).toEqual(new Array(10).fill('stable'));
    const only = trafficOf({ weights: { canary: 1 } });
    only.removed = traffic.removed;
    expect(only.pick()).toBe('stable');
    expect(trafficOf({ canary: {} }).pick()).toBe('stable');
    expect(trafficOf({}).pick()).toBeUndefined();
  });
});

it('the label that most get is told without a turn of anybody', () => {
  const traffic = trafficOf({ weights: { stable: 1, canary: 2 } });
  const told = Array.from({ length: 6 }, () => [traffic.usual, traffic.pick()]);
  expect(told.map(([usual]) => usual)).toEqual(new Array(6).fill('canary'));
  expect(told.filter(([, picked]) => picked === 'canary')).toHaveLength(4);
  traffic.removed = new Map([[2, 'wrong']]);
  expect(traffic.usual).toBe('stable');
  expect(trafficOf({ canary: {} }).usual).toBe('stable');
  expect(trafficOf({}).usual).toBeUndefined();
});

describe('answers of stable', () => {
  it('are compared in the share that the settings say, a few at a time', () => {
    const traffic = trafficOf({ canary: { shadow: 0.25 } });
    let taken = 0;
    for (let n = 0; n < 100; n++) {
      if (!traffic.takeShadow(1)) continue;
      taken += 1;
      traffic.compared();
    }
    expect(taken).toBe(25);
    const slow = Array.from({ length: 100 }, () => traffic.takeShadow(1)).filter(Boolean);
    expect(slow).toHaveLength(4);
  });
});

describe('settings of a canary', () => {
  it.each([
    [{ weights: { unknown: 1 } }, /each label must be one of versionLabels/],
    [{ canary: {}, versionLabels: { stable: 1 } }, /which version is stable and which other is canary/],
    [{ canary: {}, versionLabels: { stable: 1, canary: 1 } }, /which version is stable/],
  ])('are refused as %j', (further, why) => {
    expect(() => ServedModel.parse({ name: 'm', versionLabels, ...further })).toThrow(why);
  });
});
