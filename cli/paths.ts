import { fileURLToPath } from 'node:url';
import { homePaths } from '../serving/contract/index.ts';

/** The checkout. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

/** Folders that the dev stack of this checkout writes. */
export const devPaths = () => homePaths(projectRoot);
