import { afterAll, expect, it } from '@jest/globals';
import { convert } from '../../conversion/index.ts';
import { deviationsIn, openRecorded } from './recorded.ts';

const recorded = openRecorded('layers.zip');
afterAll(() => recorded.close());
const loops = ['masked-lstm', 'masked-gru', 'masking', 'simplernn-odd-activation', 'rnn-stacked'].flatMap(
  (name) => [`keras2-${name}`, `keras3-${name}`],
);

it.each(loops)('a method keeps the constants that only the steps of a loop read: %s', async (name) => {
  const model = recorded.expected[name]!;
  for (const file of model.files) {
    const conversion = await convert(recorded.path(file), { method: 'float16' });
    for (const { error, largest } of await deviationsIn(conversion, model))
      expect(error).toBeLessThan(0.01 * largest);
  }
});
