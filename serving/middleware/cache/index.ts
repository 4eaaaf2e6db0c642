import type { ServingSettings } from '../../contract/index.ts';
import type { Log } from '../../log.ts';
import type { Cache } from './cache.ts';
import { openEmbeddedCache } from './embedded.ts';

/** The cache for answers: the server of the settings, which all workers share, or a part of this process's memory. */
export async function openCache(
  { cache }: Pick<ServingSettings, 'cache'>,
  maxBytes: number,
  onFailure: () => void,
  log: Log,
): Promise<Cache> {
  if (cache === undefined) return openEmbeddedCache(maxBytes);
  const { ServerCache } = await import('./server.ts');
  return new ServerCache(cache, onFailure, log);
}
