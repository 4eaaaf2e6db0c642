import type { Mention } from './mentions.ts';

/** With the names of every dictionary in order. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** The order in which Keras 3 makes the calls of a model: by their distance from the ends, which is that of a layer's farthest call. */
export function orderOfCalls(
  ends: readonly Mention[],
  needsOf: (at: Mention) => readonly Mention[],
  keyOf: (at: Mention) => string,
): Mention[] {
  const done = new Map<string, Mention>();
  const walk = (at: Mention) => {
    if (done.has(keyOf(at))) return;
    for (const needed of needsOf(at)) walk(needed);
    done.set(keyOf(at), at);
  };
  ends.forEach(walk);
  const distances = new Map<string, number>();
  const farthest = new Map<string, number>();
  for (const [key, at] of [...done].reverse()) {
    const distance = Math.max(distances.get(key) ?? 0, farthest.get(at[0]) ?? 0);
    farthest.set(at[0], distance);
    distances.set(key, distance);
    for (const needed of needsOf(at).map(keyOf))
      distances.set(needed, Math.max(distance + 1, distances.get(needed) ?? 0));
  }
  const first = [...distances].sort(([, a], [, b]) => b - a);
  return first.map(([key]) => done.get(key) as Mention);
}
