import { join, resolve } from 'node:path';

/** What a checkout writes for its dev stack, all git-ignored. */
export interface HomePaths {
  readonly home: string;
  /** The model repository that is served (contract 1). */
  readonly modelRoot: string;
  /** The server's own folder: database, logs, settings. */
  readonly stateDir: string;
  /** Kept versions and champion.json (contract 4). */
  readonly keptModels: string;
  /** Conversions by content (contract 9). */
  readonly cache: string;
  /** `<digest>/`: version folders of every conversion that a preview made, for platforms that carry models elsewhere. */
  readonly convertedVersions: string;
}

/** Folders below `.modelmile` of the checkout, or below MODELMILE_HOME where that is set. */
export function homePaths(checkout: string, env: NodeJS.ProcessEnv = process.env): HomePaths {
  const home = resolve(env['MODELMILE_HOME'] ?? join(checkout, '.modelmile'));
  return {
    home,
    modelRoot: join(home, 'dev', 'models'),
    stateDir: join(home, 'dev', 'server'),
    keptModels: join(home, 'models'),
    cache: join(home, 'cache'),
    convertedVersions: join(home, 'cache', 'versions'),
  };
}
