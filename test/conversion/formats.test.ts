import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import { convert } from '../../conversion/index.ts';
import { expectRight } from './expect-right.ts';
import { faultsOf, openRecorded } from './recorded.ts';

const [recorded, layers] = [openRecorded('formats.zip'), openRecorded('layers.zip')];
afterAll(() => {
  recorded.close();
  layers.close();
});

describe('a model in every form that the frameworks save', () => {
  it.each(Object.keys(recorded.expected))('%s answers as Keras does', expectRight(recorded));
});

it('a file whose structures lead round in circles is refused, and the next one read', async () => {
  const path = layers.path('keras2-bidirectional-lstm-concat.h5');
  const bytes = readFileSync(path);
  // Messages of an object's header that take no room: libhdf5 comes to the same one for ever.
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 3640), Buffer.alloc(24), bytes.subarray(3664)]));
  await expect(convert(path)).rejects.toMatchObject({
    code: 'CONVERSION_SOURCE_CORRUPT',
    message: expect.stringContaining('round in circles'),
  });
  writeFileSync(path, bytes);
  expect(await faultsOf(path, layers.expected['keras2-bidirectional-lstm-concat']!)).toEqual([]);
});
