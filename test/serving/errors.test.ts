import { describe, expect, it } from '@jest/globals';
import { errorTable, ServingError } from '../../serving/errors.ts';

/** gRPC's codes as TensorFlow Serving answers them over HTTP. */
const tensorflowServing: Readonly<Record<number, number>> = {
  1: 499,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  16: 401,
};
/** Where HTTP has a word of its own, or TensorFlow Serving has no such refusal. */
const ours: Readonly<Record<string, number>> = {
  SERVING_NO_ROUTE: 404,
  SERVING_METHOD_NOT_ALLOWED: 405,
  SERVING_BODY_TOO_LARGE: 413,
  SERVING_NO_RESULT: 409,
  SERVING_LOAD_FAILED: 409,
  SERVING_ALREADY_RUNNING: 409,
};

describe('what is refused', () => {
  it.each(Object.entries(errorTable))('%s has the HTTP status that its gRPC code has', (code, row) => {
    expect(row.http).toBe(ours[code] ?? tensorflowServing[row.grpc]);
    expect(row.fix).toMatch(/\.$/);
  });

  it('is said in sentences, and not longer than anybody reads', () => {
    expect(new ServingError('SERVING_BAD_JSON', 'Not so. \n').describe()).toBe('Not so. Send a JSON object.');
    const long = new ServingError('SERVING_BAD_JSON', '\u{1f600}'.repeat(5_000));
    expect(long.message.length).toBeLessThan(2_010);
    expect(() => encodeURIComponent(long.describe())).not.toThrow();
  });
});
