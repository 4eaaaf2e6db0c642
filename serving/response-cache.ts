import type { ServingSettings } from './contract/index.ts';
import { CachingRunner } from './engine/caching-runner.ts';
import type { Servable } from './engine/servable.ts';
import { createLog } from './log.ts';
import { openCache } from './middleware/cache/index.ts';
import type { LoadedModel } from './models.ts';
import type { Metrics } from './monitoring/registry.ts';

/**
 * Gives a model the cache for answers; the model as it is where the settings ask for none. A cache that cannot be reached is no fault:
 * what is not found is computed.
 */
export async function cachedBy(
  settings: ServingSettings,
  metrics: Metrics,
): Promise<(model: LoadedModel) => LoadedModel> {
  if (settings.responseCache === undefined) return (model) => model;
  const { maxBytes, ttlSeconds } = settings.responseCache;
  const failures = metrics.count('modelmile_cache_failures_total', {});
  const cache = await openCache(
    settings,
    maxBytes,
    () => failures.add(),
    createLog(settings.logLevel, 'worker'),
  );
  const cached = (servable: Servable): Servable => {
    const { model, version, digest, runner } = servable;
    const lookups = (result: string) =>
      metrics.count('modelmile_cache_lookups_total', { model, version, result });
    const caching = { cache, ttlSeconds, hits: lookups('hit'), misses: lookups('miss') };
    return { ...servable, runner: new CachingRunner(runner, digest, caching) };
  };
  return (model) => {
    const versions = new Map([...model.versions].map(([number, servable]) => [number, cached(servable)]));
    return { ...model, versions, latest: versions.get(model.latest?.version ?? -1) };
  };
}
