import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { homePaths } from '../../serving/contract/index.ts';

/** The folder of Pulumi.yaml: paths in the state are relative to it. */
export const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

export const home = homePaths(project);

/** A path of the settings on this machine. */
export const absolute = (path: string): string => (isAbsolute(path) ? path : join(project, path));
