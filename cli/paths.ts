import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { homePaths } from '../serving/contract/index.ts';

/** The checkout. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

/** What Node imports first in a process of its own that runs the project's TypeScript. */
export const typescriptLoader = pathToFileURL(join(projectRoot, 'toolchain', 'typescript.mjs')).href;

/** Folders that the dev stack of this checkout writes. */
export const devPaths = () => homePaths(projectRoot);
