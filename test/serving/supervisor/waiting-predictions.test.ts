import { expect, it } from '@jest/globals';
import { WaitingPredictions } from '../../../serving/supervisor/waiting-predictions.ts';

const prediction = (id: number, json = '{}') => ({ predictionId: String(id), json });
const idsOf = (waiting: WaitingPredictions) => waiting.take().map(({ predictionId }) => Number(predictionId));

it.each([
  ['count', 20_000, '{}'],
  ['text', 32, 'x'.repeat(2 ** 22)],
] as const)(
  'predictions that wait for the database are bounded by their %s: the oldest give way',
  (_by, most, json) => {
    const waiting = new WaitingPredictions();
    const count = most + 10;
    for (let id = 0; id < count; id += 10) {
      waiting.add(Array.from({ length: 10 }, (_, place) => prediction(id + place, json)));
    }
    const ids = idsOf(waiting);
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([
      most,
      Math.ceil(count / 10) * 10 - most,
      Math.ceil(count / 10) * 10 - 1,
    ]);
  },
);

it('predictions that could not be written are older than those that came meanwhile', () => {
  const waiting = new WaitingPredictions();
  waiting.add([prediction(1), prediction(2)]);
  const taken = waiting.take();
  waiting.add([prediction(3)]);
  expect([waiting.has('1'), waiting.has('3')]).toEqual([false, true]);
  waiting.putBack(taken);
  expect(idsOf(waiting)).toEqual([1, 2, 3]);
});
