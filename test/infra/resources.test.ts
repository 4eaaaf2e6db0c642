import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { countsByType, isMade } from '../../infra/resource-graph.ts';
import { resourcesOf, settingsOf } from './stacks.ts';

const page = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8');

describe('docs/architecture.md', () => {
  it.each(['staging', 'prod'])('counts what %s asks for', async (stack) => {
    const start = page.indexOf(`### ${stack}\n`);
    const end = page.indexOf('\n### ', start + 1);
    const section = page.slice(start, end === -1 ? undefined : end);
    const counted = [...section.matchAll(/^\| `(.+)` \| (\d+) \|$/gm)].map(([, type, count]) => [
      type,
      Number(count),
    ]);
    const types = (await resourcesOf(settingsOf(stack))).map(({ type }) => type).filter(isMade);
    expect(counted).toEqual(countsByType(types));
    expect(section).toContain(`${types.length} resources: `);
  });

  it('has resources of all three packages in prod', () => {
    expect(page.slice(page.indexOf('### prod'))).toMatch(/resources: \d+ aws, \d+ kubernetes, \d+ docker\./);
  });
});
