import { createHash } from 'node:crypto';

/** First 12 characters of the sha256 of a text: enough to tell the versions of one object apart. */
export const shortDigest = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 12);
