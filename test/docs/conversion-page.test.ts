import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { methods } from '../../conversion/methods/index.ts';
import { repository } from '../support/checkout.ts';
import { layerTable } from './layer-table.ts';

describe('the page on conversion', () => {
  const page = readFileSync(join(repository, 'docs', 'conversion.md'), 'utf8');

  it('lists just the layers that convert', () => {
    expect(page).toContain(layerTable());
  });

  it('knows every method', () => {
    for (const name of Object.keys(methods)) expect(page).toContain(`| \`${name}\` |`);
  });
});
