/** Arrays that are worth a collection, which takes some ten milliseconds. */
const fewestBytes = 2 ** 26;

/**
 * Collects garbage where arrays of this many bytes may be free and the process lets it (`--expose-gc`, which the command sets): what
 * comes next takes as much, and V8, which sees a small heap, would leave both in memory.
 */
export function collect(freeBytes: number): void {
  if (freeBytes >= fewestBytes) (globalThis as { gc?: () => void }).gc?.();
}
