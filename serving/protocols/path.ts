import { ServingError } from '../errors.ts';

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
