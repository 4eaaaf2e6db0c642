import { afterAll, describe, expect, it } from '@jest/globals';
import { layers } from '../../conversion/layers/index.ts';
import { evaluate } from '../../conversion/verify/interpreter/layers.ts';
import { faultsOf, openRecorded } from './recorded.ts';

const recorded = openRecorded(new URL('./fixtures/layers.zip', import.meta.url).pathname);
afterAll(() => recorded.close());

describe('layers saved by tf_keras and Keras 3 answer as the same model does in float64', () => {
  it.each(Object.keys(recorded.expected))('%s', async (name) => {
    const model = recorded.expected[name]!;
    for (const file of model.files) {
      expect({ file, faults: await faultsOf(recorded.path(file), model) }).toEqual({ file, faults: [] });
    }
  });
});

describe('the tables of layers', () => {
  it('have a reference for every class that converts, and no other', () => {
    const converted = Object.keys(layers).filter((name) => name !== 'InputLayer');
    expect(Object.keys(evaluate).sort()).toEqual(converted.sort());
  });
});
