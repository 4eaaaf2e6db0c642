import { ServingError } from '../errors.ts';

/** Paths that are kept in mind; clients of a model use a few again and again. */
const maxKnown = 256;

/** The same function, which works a path out only once. */
export function remembering<T>(read: (path: string) => T): (path: string) => T {
  const known = new Map<string, T>();
  return (path) => {
    let found = known.get(path);
    if (found === undefined) {
      found = read(path);
      if (known.size === maxKnown) known.clear();
      known.set(path, found);
    }
    return found;
  };
}

/**
 * A segment of a path as text.
 * @throws ServingError SERVING_BAD_REQUEST where its percent encoding is broken
 */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ServingError(
      'SERVING_BAD_REQUEST',
      `Malformed request: '${segment}' is not percent-encoded text`,
    );
  }
}
