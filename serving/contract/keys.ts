import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';

/**
 * What a caller may do: `<permission>:<model>`, either of them `*`. Permissions: predict, feedback, control (load and unload), read
 * (metadata, status, statistics; any other permission on the model implies it).
 */
export const Scope = z
  .string()
  .regex(
    /^(\*|read|predict|feedback|control):(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/,
    '<permission>:<model>, for example predict:digits or *:*',
  );

/** One API key: its digest, never the key itself. */
export const ApiKey = z.strictObject({
  /** Stands for the key in logs, metrics and audit. */
  id: z.string().regex(/^[\w.@-]{1,64}$/, 'letters, digits, dot, dash, underscore, @'),
  /** Hex sha256 of the key's UTF-8 text. Keys are long and random, so that a fast digest does. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 in lower-case hex'),
  scopes: z.array(Scope).default(['*:*']),
  /** Sustained rate over all workers of this server; beyond it 429. Left out = no limit. */
  requestsPerSecond: z.number().positive().optional(),
  /** Requests a UTC day; beyond it 429 until midnight. Left out = no limit. */
  requestsPerDay: z.int().min(1).optional(),
  /** Milliseconds since the epoch from which on the key is refused. */
  expiresAtMs: z.int().optional(),
});
export type ApiKey = z.infer<typeof ApiKey>;

/** The file that `keysFile` names; read again when it changes, so that keys are rotated without a restart. */
export const KeysFile = z.strictObject({
  keys: z
    .array(ApiKey)
    .refine(
      (keys) => new Set(keys.map(({ sha256 }) => sha256)).size === keys.length,
      'one key stands there twice: whose scopes and limits it has would be chance',
    ),
});
export type KeysFile = z.infer<typeof KeysFile>;

export const hashKey = (key: string): string => createHash('sha256').update(key, 'utf8').digest('hex');

/** A new key for a caller, and its entry for the file. The key is shown once and kept nowhere. */
export function newApiKey(id: string, further: Partial<ApiKey> = {}): { key: string; entry: ApiKey } {
  const key = `mm_${randomBytes(32).toString('base64url')}`;
  return { key, entry: ApiKey.parse({ ...further, id, sha256: hashKey(key) }) };
}
