import { LRUCache } from 'lru-cache';
import type { Cache } from './cache.ts';

/** What an entry takes beside its bytes, about: of a million short answers that is nearly all. */
const entryBytes = 700;

/** A cache in the memory of this process: what was not asked for the longest goes first. */
export function openEmbeddedCache(maxBytes: number): Cache {
  const entries = new LRUCache<string, Uint8Array>({
    maxSize: maxBytes,
    sizeCalculation: (value, key) => value.length + key.length + entryBytes,
  });
  return {
    get: async (key) => entries.get(key),
    set: (key, value, ttlSeconds) => void entries.set(key, value, { ttl: ttlSeconds * 1000 }),
  };
}
