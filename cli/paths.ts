import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

/** Everything that modelmile writes for this checkout; `MODELMILE_HOME` moves it (tests, several checkouts of one stack). */
export function homeDir(): string {
  return resolve(process.env['MODELMILE_HOME'] ?? resolve(projectRoot, '.modelmile'));
}

/** Folders of the dev stack's server. */
export function devPaths() {
  const home = homeDir();
  return {
    /** The model repository that is served (contract 1). */
    modelRoot: resolve(home, 'dev', 'models'),
    /** The server's logs and database. */
    stateDir: resolve(home, 'dev', 'server'),
    /** Kept versions and champion.json (contract 4). */
    keptModels: resolve(home, 'models'),
    /** Conversions by content (contract 9). */
    cache: resolve(home, 'cache'),
  };
}
