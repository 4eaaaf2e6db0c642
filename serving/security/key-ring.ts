import { hash, timingSafeEqual } from 'node:crypto';
import { KeysFile } from '../contract/index.ts';
import { type Caller, ScopedCaller } from './caller.ts';

interface Entry {
  readonly digest: Buffer;
  readonly expiresAtMs: number;
  readonly caller: Caller;
}

/** @throws Error which is logged: that of JSON.parse tells how the file begins, which may be a key that somebody put there as it is */
function jsonOf(contents: Buffer): unknown {
  try {
    return JSON.parse(contents.toString('utf8'));
  } catch {
    throw new Error('the keys are not JSON');
  }
}

/** The API keys that are taken. It knows their digests only. */
export class KeyRing {
  readonly #byDigest: ReadonlyMap<string, Entry>;

  /** @throws Error saying what is wrong with the file */
  constructor(contents: Buffer) {
    const parsed = KeysFile.safeParse(jsonOf(contents));
    if (!parsed.success) {
      const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw new Error(`the keys are not valid: ${faults.join('; ')}`);
    }
    this.#byDigest = new Map(
      parsed.data.keys.map(({ id, sha256, scopes, requestsPerSecond, requestsPerDay, expiresAtMs }) => {
        const caller = new ScopedCaller(id, scopes, { requestsPerSecond, requestsPerDay });
        const entry = { digest: Buffer.from(sha256, 'hex'), expiresAtMs: expiresAtMs ?? Infinity, caller };
        return [sha256, entry];
      }),
    );
  }

  get ids(): string[] {
    return [...this.#byDigest.values()].map(({ caller }) => caller.id);
  }

  /** Who has the key; takes as long for any key that is wrong. */
  find(key: string): Caller | undefined {
    const digest = hash('sha256', key);
    // Found by digest: what the time of a look-up tells of a digest does not help to guess a key.
    const entry = this.#byDigest.get(digest);
    if (entry === undefined || !timingSafeEqual(entry.digest, Buffer.from(digest, 'hex'))) return undefined;
    return entry.expiresAtMs > Date.now() ? entry.caller : undefined;
  }
}
