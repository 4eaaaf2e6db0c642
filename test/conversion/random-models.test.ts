import { afterAll, expect, it } from '@jest/globals';
import { faultsOf, openRecorded } from './recorded.ts';

const recorded = openRecorded('random.zip');
afterAll(() => recorded.close());

it.each(Object.keys(recorded.expected))(
  'a random model that shares, nests and names its layers as it likes answers as Keras does: %s',
  async (name) => {
    const model = recorded.expected[name]!;
    expect(model.files.length).toBeGreaterThan(0);
    for (const file of model.files) {
      expect({ file, faults: await faultsOf(recorded.path(file), model) }).toEqual({ file, faults: [] });
    }
  },
);
