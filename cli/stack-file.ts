import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../infra/settings.ts';
import { CliError } from './errors.ts';
import { projectRoot } from './paths.ts';

/** The settings of Pulumi.<stack>.yaml, checked as the program checks them. @throws CliError CLI_STACK_UNKNOWN, InfraError */
export async function stackSettings(stack: string): Promise<Settings> {
  const text = await readFile(join(projectRoot, `Pulumi.${stack}.yaml`), 'utf8').catch(() => {
    throw new CliError('CLI_STACK_UNKNOWN', `There is no stack '${stack}'.`);
  });
  // Most commands need none of it, and it takes as long to load as they take to run.
  const { parse } = await import('yaml');
  const { parseSettings, settingValue } = await import('../infra/settings.ts');
  const { config = {} } = parse(text) as { config?: Record<string, unknown> };
  return parseSettings((key) => settingValue(key, config[`modelmile:${key}`]));
}
