import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../infra/settings.ts';
import { CliError } from './errors.ts';
import { projectRoot } from './paths.ts';

/** @throws CliError CLI_STACK_UNKNOWN */
export function assertStack(stack: string): void {
  if (existsSync(join(projectRoot, `Pulumi.${stack}.yaml`))) return;
  throw new CliError('CLI_STACK_UNKNOWN', `There is no stack '${stack}'.`);
}

/** What YAML says of a file does not name it. @throws CliError CLI_STACK_UNREADABLE */
function read(stack: string, parse: () => unknown): { config?: Record<string, unknown> } | null {
  try {
    return parse() as { config?: Record<string, unknown> } | null;
  } catch (error) {
    throw new CliError('CLI_STACK_UNREADABLE', `Pulumi.${stack}.yaml: ${(error as Error).message.trimEnd()}`);
  }
}

/** The values of Pulumi.<stack>.yaml by key. @throws CliError CLI_STACK_UNKNOWN, CLI_STACK_UNREADABLE */
async function valuesOf(stack: string): Promise<(key: keyof Settings) => unknown> {
  assertStack(stack);
  const text = await readFile(join(projectRoot, `Pulumi.${stack}.yaml`), 'utf8');
  // Most commands need none of it, and it takes as long to load as they take to run.
  const { parse } = await import('yaml');
  const { settingValue } = await import('../infra/settings.ts');
  const { config = {} } = read(stack, () => parse(text)) ?? {};
  return (key) => settingValue(key, config[`modelmile:${key}`]);
}

/** The settings of Pulumi.<stack>.yaml, checked as the program checks them. @throws CliError CLI_STACK_UNKNOWN, CLI_STACK_UNREADABLE, InfraError */
export async function stackSettings(stack: string): Promise<Settings> {
  const value = await valuesOf(stack);
  const { parseSettings } = await import('../infra/settings.ts');
  return parseSettings(value);
}

/**
 * Where a stack is, whatever else its file says: what was made by other settings must still come down.
 * @throws CliError CLI_STACK_UNKNOWN, CLI_STACK_UNREADABLE, InfraError
 */
export async function stackPlace(stack: string): Promise<Pick<Settings, 'platform' | 'region'>> {
  const value = await valuesOf(stack);
  const { parseSetting } = await import('../infra/settings.ts');
  return {
    platform: parseSetting('platform', value('platform')),
    region: parseSetting('region', value('region')),
  };
}
