import { afterAll, it } from '@jest/globals';
import { expectRight } from './expect-right.ts';
import { openRecorded } from './recorded.ts';

const recorded = openRecorded('random.zip');
afterAll(() => recorded.close());

it.each(Object.keys(recorded.expected))(
  'a random model that shares, nests and names its layers as it likes answers as Keras does: %s',
  expectRight(recorded),
);
