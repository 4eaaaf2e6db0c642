import { expect, it } from '@jest/globals';
import { newPredictionId } from '../../serving/prediction-id.ts';

it('makes ids of the 7th kind of UUID, each after the one before, with the time of its making', () => {
  const fromMs = Date.now();
  const ids = Array.from({ length: 5_000 }, newPredictionId);
  const toMs = Date.now();
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  const atMs = ids.map((id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16));
  // The generator may run ahead of the clock by what it has counted up.
  expect(Math.min(...atMs)).toBeGreaterThanOrEqual(fromMs);
  expect(Math.max(...atMs)).toBeLessThanOrEqual(toMs + 1);
});
