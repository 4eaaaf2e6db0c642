import { hash } from 'node:crypto';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import { LRUCache } from 'lru-cache';
import { Scope, type ServingSettings } from '../contract/index.ts';
import { type Caller, ScopedCaller } from './caller.ts';
import { isLoopback } from './loopback.ts';

type JwtSettings = NonNullable<ServingSettings['jwt']>;

/** Signatures with a public key only: a shared secret would let the server make tokens itself. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** A token that was verified is believed this long without looking again. */
const believedMs = 30_000;
const maxBelieved = 10_000;
const fetchTimeoutMs = 5_000;
/** An issuer's keys are read again this often; while it is away, those that it had last count for so long. */
const refreshEveryMs = 10 * 60_000;
const maxKeysAgeMs = 60 * 60_000;
/** A token of a key that is not known makes the keys be read again, this often at most. */
const cooldownMs = 10_000;
/** After an issuer could not be reached it is not asked again for so long, however many tokens come. */
const retryAfterMs = 1_000;
/** A token may be valid from a moment on that its issuer's clock has reached and ours has not. */
const clockSkewSeconds = 60;
/** As OpenID Connect has it. */
const maxSubjectLength = 255;

/** The verification leaves open what it is. */
const isSubject = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && sub.length <= maxSubjectLength;

/** What the issuer answers that is no set of keys says nothing of a token. */
const isAway = (error: unknown): boolean =>
  error instanceof errors.JWKSTimeout ||
  error instanceof errors.JWKSInvalid ||
  !(error instanceof errors.JOSEError) ||
  error.code === 'ERR_JOSE_GENERIC';

/** A token is not valid; the message says why, to whoever sent it: claims are looked at only where the signature is the issuer's. */
export class TokenRefused extends Error {}

/** Why, by the code of the library. */
const refusals: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'it has expired',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is not by a key of the issuer',
  ERR_JWKS_NO_MATCHING_KEY: 'the issuer has no such key',
  ERR_JOSE_ALG_NOT_ALLOWED: 'its algorithm is not taken',
};

function refusalOf(error: unknown): TokenRefused {
  if (error instanceof errors.JWTClaimValidationFailed)
    return new TokenRefused(`its claim ${error.claim} is not what this server asks for`);
  return new TokenRefused(refusals[(error as errors.JOSEError).code] ?? 'it cannot be read');
}

/** Bearer tokens of an OpenID Connect issuer. */
export class TokenVerifier {
  readonly #settings: JwtSettings;
  readonly #verified = new LRUCache<string, Caller>({ max: maxBelieved });
  #keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined;
  #refused: { readonly error: unknown; readonly untilMs: number } | undefined;

  constructor(settings: JwtSettings) {
    this.#settings = settings;
  }

  /** Who a token stands for that was verified a short time ago. */
  known(token: string): Caller | undefined {
    return this.#verified.get(hash('sha256', token));
  }

  /**
   * Who the token stands for.
   * @throws TokenRefused where it is not valid
   * @throws Error where the issuer's keys cannot be had; the same to all until they are asked for again
   */
  async find(token: string): Promise<Caller> {
    const id = hash('sha256', token);
    const { issuer, audience } = this.#settings;
    const wanted = { issuer, audience, algorithms, clockTolerance: clockSkewSeconds };
    const keys = await this.#issuerKeys();
    const { payload } = await jwtVerify(token, keys, wanted).catch((error: unknown) => {
      throw isAway(error) ? error : refusalOf(error);
    });
    if (!isSubject(payload.sub)) throw new TokenRefused('its claim sub names nobody');
    if (payload.exp === undefined) throw new TokenRefused('its claim exp is missing');
    const ttl = Math.min(believedMs, payload.exp * 1000 - Date.now());
    if (ttl <= 0) throw new TokenRefused('it has expired');
    const caller = this.#callerOf(payload, payload.sub);
    this.#verified.set(id, caller, { ttl });
    return caller;
  }

  #callerOf({ scope }: JWTPayload, subject: string): Caller {
    const words = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope : [];
    const scopes = words.filter((word) => Scope.safeParse(word).success);
    // No API key can have such an id: a subject must not get at what a key of the same name may.
    return new ScopedCaller(`jwt:${subject}`, scopes, {
      requestsPerSecond: this.#settings.requestsPerSecond,
    });
  }

  #issuerKeys(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    if (this.#keys !== undefined) return this.#keys;
    this.#keys = this.#discover().then((uri) => {
      const keys = createRemoteJWKSet(uri, {
        timeoutDuration: fetchTimeoutMs,
        cooldownDuration: cooldownMs,
        cacheMaxAge: maxKeysAgeMs,
        [customFetch]: (url, options) => this.#fetch(url, options),
      });
      setInterval(() => keys.reload().catch(() => {}), refreshEveryMs).unref();
      return keys;
    });
    this.#keys.catch(() => {
      setTimeout(() => {
        this.#keys = undefined;
      }, retryAfterMs).unref();
    });
    return this.#keys;
  }

  /** Asks the issuer; not again soon where it does not answer with a set of keys. */
  async #fetch(url: string, options: RequestInit): Promise<Response> {
    if (this.#refused !== undefined && Date.now() < this.#refused.untilMs) throw this.#refused.error;
    try {
      const response = await fetch(url, options);
      if (response.status !== 200) throw new Error(`the status is ${response.status}`);
      const keys = await response.json();
      createLocalJWKSet(keys as JSONWebKeySet);
      return Response.json(keys);
    } catch (cause) {
      const error = new Error(`its keys cannot be read: ${(cause as Error).message}`, { cause });
      this.#refused = { error, untilMs: Date.now() + retryAfterMs };
      throw error;
    }
  }

  async #discover(): Promise<URL> {
    const { issuer, jwksUri } = this.#settings;
    if (jwksUri !== undefined) return secure(jwksUri);
    const url = secure(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const response = await fetch(url, { signal: AbortSignal.timeout(fetchTimeoutMs), redirect: 'error' });
    const document = (await response.json()) as { jwks_uri?: unknown };
    if (typeof document.jwks_uri !== 'string') throw new Error(`${url} names no jwks_uri`);
    return secure(document.jwks_uri);
  }
}

/** Whoever can change the keys on their way can make tokens. @throws Error where the way is open to others */
function secure(text: string): URL {
  const url = new URL(text);
  if (url.protocol === 'https:' || isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1'))) return url;
  throw new Error(`${text} is not https: an issuer's keys are fetched over https only`);
}
