import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { environmentPage } from '../../infra/environment/page.ts';

describe('docs/environment.md', () => {
  it('is what the tables say: npx tsx infra/write-pages.ts', () => {
    expect(readFileSync(new URL('../../docs/environment.md', import.meta.url), 'utf8')).toBe(
      environmentPage(),
    );
  });
});
