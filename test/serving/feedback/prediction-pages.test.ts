import { expect, it } from '@jest/globals';
import { firstIdAt, pagesEndBefore, pagesOf } from '../../../serving/feedback/prediction-pages.ts';

const startMs = 1_700_000_000_000;
const prediction = (n: number, atMs: number, characters: number) => ({
  predictionId: `${firstIdAt(atMs).slice(0, 14)}7b4d-9f45-${String(n).padStart(12, '0')}`,
  json: JSON.stringify('x'.repeat(characters)),
});

it('has every prediction on one page, between its ends, where a search by time looks', () => {
  const all = Array.from({ length: 900 }, (_, n) => prediction(n, startMs + ((n * 7_919) % 60_000), 9));
  const pages = [...pagesOf(all)];
  expect(pages.flatMap(({ predictions }) => predictions)).toHaveLength(all.length);
  expect(new Set(pages.flatMap(({ predictions }) => predictions))).toEqual(new Set(all));
  for (const { firstId, lastId, predictions } of pages) {
    for (const { predictionId } of predictions) {
      expect([firstId, predictionId, lastId].sort()).toEqual([firstId, predictionId, lastId]);
      expect(lastId < pagesEndBefore(predictionId)).toBe(true);
    }
  }
});

it('keeps pages of large predictions short: all of a page is read for feedback to one of them', () => {
  const large = Array.from({ length: 100 }, (_, n) => prediction(n, startMs + n, 50_000));
  const pages = [
    ...pagesOf([...large, prediction(100, startMs + 100, 900_000), prediction(101, startMs, 9)]),
  ];
  for (const { records, predictions } of pages) {
    if (predictions.length > 1) expect(records.length).toBeLessThan(300_000);
  }
  expect(pages.flatMap(({ predictions }) => predictions)).toHaveLength(102);
});
