import { afterAll, describe, expect, it } from '@jest/globals';
import { faultsOf, openRecorded } from './recorded.ts';

const recorded = openRecorded('formats.zip');
afterAll(() => recorded.close());

describe('a model in every form that the frameworks save', () => {
  it.each(Object.keys(recorded.expected))('%s answers as Keras does', async (name) => {
    const model = recorded.expected[name]!;
    for (const file of model.files) {
      expect({ file, faults: await faultsOf(recorded.path(file), model) }).toEqual({ file, faults: [] });
    }
  });
});
