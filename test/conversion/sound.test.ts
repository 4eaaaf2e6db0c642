import { afterAll, expect, it } from '@jest/globals';
import { convert } from '../../conversion/index.ts';
import { expectRight } from './expect-right.ts';
import { openRecorded } from './recorded.ts';

const recorded = openRecorded('sound.zip');
afterAll(() => recorded.close());
const names = Object.keys(recorded.expected);

const right = expectRight(recorded);

it.each(names.filter((name) => name.includes('open-pool')))(
  'a pool that is smaller than its stride takes sizes that only a request tells: %s',
  right,
);

it.each(names.filter((name) => name.includes('where-of')))(
  'what is chosen from numbers alone has the type that Keras gives it: %s',
  right,
);

it.each(names.filter((name) => name.includes('whole-')))(
  'whole numbers of any length stay such, and of their type: %s',
  right,
);

it.each(names.filter((name) => name.includes('compared-')))(
  'whole numbers are compared with what their own type does not hold: %s',
  right,
);

it.each(names.filter((name) => name.includes('average-') && !name.includes('refused')))(
  'the sum of whole numbers is one, their average is none: %s',
  right,
);

it.each(names.filter((name) => name.includes('norm-') && !name.includes('refused')))(
  'a normalization over axes in any order: %s',
  right,
);

it.each(names.filter((name) => name.includes('relu-bounds')))(
  'a ReLU at its very bounds, and with a threshold above its largest value: %s',
  right,
);

it.each(names.filter((name) => name.includes('log-of-nothing')))(
  'what is infinite by Keras and here is no fault: %s',
  right,
);

it.each(names.filter((name) => name.includes('power-')))(
  'a whole number to powers that are computed runs over as TensorFlow’s does: %s',
  right,
);

it.each([
  ['average-uint8', 'the sum of uint8 runs over'],
  ['norm-batch', 'axis 0'],
])('what nothing could be checked by is refused by its name: %s', async (name, reason) => {
  for (const dialect of ['keras2', 'keras3'])
    for (const file of recorded.expected[`${dialect}-${name}-refused`]!.files)
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringContaining(reason),
      });
});
