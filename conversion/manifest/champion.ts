import * as z from 'zod';

/**
 * `.modelmile/models/<model>/champion.json`: a kept version that is served instead of the configured source, after `retrain` promoted
 * it or `rollback` went back to it (contract 4).
 */
export const Champion = z.strictObject({
  model: z.string().min(1),
  /** Manifest digest of a kept version. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /**
   * sha256 of the configured source that it stands in for. A source with other bytes is a newer release and is served; a source that
   * is gone is stood in for as well.
   */
  insteadOf: z.string().regex(/^[0-9a-f]{64}$/),
  reason: z.enum(['retrain', 'rollback']),
  /** Milliseconds since the epoch. */
  atMs: z.int(),
});
export type Champion = z.infer<typeof Champion>;
