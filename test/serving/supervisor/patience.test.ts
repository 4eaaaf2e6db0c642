import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { lateAfter } from '../../../serving/supervisor/patience.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

it('who is waited for is late when the patience is over, and not where the wait was stopped', () => {
  const late = jest.fn();
  lateAfter(1_000, late);
  const stop = lateAfter(2_000, () => late('stopped'));
  jest.advanceTimersByTime(999);
  expect(late).not.toHaveBeenCalled();
  jest.advanceTimersByTime(1);
  stop();
  jest.advanceTimersByTime(5_000);
  expect(late.mock.calls).toEqual([[]]);
});

it('where this process stood still itself, the patience begins anew', () => {
  const late = jest.fn();
  let stoodStillMs = 0;
  const now = jest.spyOn(performance, 'now').mockImplementation(() => Date.now() + stoodStillMs);
  lateAfter(1_000, late);
  stoodStillMs = 3_000;
  jest.advanceTimersByTime(1_500);
  expect(late).not.toHaveBeenCalled();
  jest.advanceTimersByTime(500);
  expect(late).toHaveBeenCalledTimes(1);
  now.mockRestore();
});
