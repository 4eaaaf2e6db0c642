import type { ServingSettings } from '../../contract/index.ts';
import type { Log } from '../../log.ts';
import type { Cache } from './cache.ts';
import { openEmbeddedCache } from './embedded.ts';
import { ServerCache } from './server.ts';

/** The cache for answers: the server of the settings, which all workers share, or a part of this process's memory. */
export function openCache(
  { cache }: Pick<ServingSettings, 'cache'>,
  maxBytes: number,
  onFailure: () => void,
  log: Log,
): Cache {
  return cache === undefined ? openEmbeddedCache(maxBytes) : new ServerCache(cache, onFailure, log);
}
