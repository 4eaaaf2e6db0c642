import { afterAll, expect, it } from '@jest/globals';
import { faultsOf, openRecorded } from './recorded.ts';

const recorded = openRecorded('attention-masks.zip');
afterAll(() => recorded.close());
const fileOf = (name: string) => recorded.path(recorded.expected[name]!.files[0]!);

it.each(Object.keys(recorded.expected))(
  'who is called before attention over heads finds the mask of a tensor, who is called after it does not: %s',
  async (name) => {
    expect(await faultsOf(fileOf(name), recorded.expected[name]!)).toEqual([]);
  },
);
