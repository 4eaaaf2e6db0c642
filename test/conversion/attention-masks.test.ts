import { afterAll, expect, it } from '@jest/globals';
import { convert } from '../../conversion/index.ts';
import { faultsOf, openRecorded } from './recorded.ts';

const recorded = openRecorded('attention-masks.zip');
afterAll(() => recorded.close());
const fileOf = (name: string) => recorded.path(recorded.expected[name]!.files[0]!);

it.each(Object.keys(recorded.expected).filter((name) => name !== 'beside'))(
  'who reads a tensor before attention over heads finds its mask, who comes after it does not: %s',
  async (name) => {
    expect(await faultsOf(fileOf(name), recorded.expected[name]!)).toEqual([]);
  },
);

it('a mask that is there or not by the order of calls is refused where it decides', async () => {
  await expect(convert(fileOf('beside'))).rejects.toMatchObject({
    code: 'CONVERSION_UNSUPPORTED_LAYER',
    message: expect.stringContaining("Layer 'attention' (Attention): Keras 3 takes the mask off"),
  });
});
