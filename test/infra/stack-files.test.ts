import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { commands } from '../../cli/commands/index.ts';
import { parseSettings, refuseUnknown, settingValue } from '../../infra/settings.ts';

const root = new URL('../../', import.meta.url);
const stacks = readdirSync(root).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);

describe('the files of the stacks', () => {
  it.each(stacks)('Pulumi.%s.yaml has known keys with valid values', (stack) => {
    const { config } = parse(readFileSync(new URL(`Pulumi.${stack}.yaml`, root), 'utf8')) as {
      config: Record<string, unknown>;
    };
    refuseUnknown(Object.keys(config));
    const settings = parseSettings((key) => settingValue(key, config[`modelmile:${key}`]));
    expect(settings.models.length).toBeGreaterThan(0);
  });

  it('are on the three platforms', () => {
    expect(stacks).toEqual(expect.arrayContaining(['dev', 'staging', 'prod']));
  });
});

describe('docs/stacks.md', () => {
  const page = readFileSync(new URL('docs/stacks.md', root), 'utf8');

  it('shows commands that there are', () => {
    const shown = [...page.matchAll(/npx modelmile ([a-z-]+)/g)].map(([, command]) => command);
    expect(shown.length).toBeGreaterThan(8);
    for (const command of shown) expect(Object.keys(commands)).toContain(command);
  });

  it('shows YAML that can be read', () => {
    const blocks = [...page.matchAll(/```yaml\n([\s\S]+?)```/g)].map(([, text]) => parse(text!));
    expect(blocks).toHaveLength(2);
    expect(blocks[1].jobs.preview.steps.length).toBeGreaterThan(3);
  });
});
