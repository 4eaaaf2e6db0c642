import { expect } from '@jest/globals';
import { faultsOf, type openRecorded } from './recorded.ts';

/** Holds every file of a recorded model, by name, to what the framework answered. */
export const expectRight = (recorded: ReturnType<typeof openRecorded>) => async (name: string) => {
  const model = recorded.expected[name]!;
  expect(model.files.length).toBeGreaterThan(0);
  for (const file of model.files) {
    expect({ file, faults: await faultsOf(recorded.path(file), model) }).toEqual({ file, faults: [] });
  }
};
