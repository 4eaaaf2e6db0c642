import { expect, it } from '@jest/globals';
import { counted } from '../../cli/figures.ts';

it('counts one as one', () => {
  const told = [0, 1, 2].map((count) => `${counted(count, 'process')}, ${counted(count, 'resource')}`);
  expect(told).toEqual(['0 processes, 0 resources', '1 process, 1 resource', '2 processes, 2 resources']);
});
