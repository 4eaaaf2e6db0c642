import { hash } from 'node:crypto';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Log } from '../log.ts';
import { Room } from '../room.ts';
import type { Audit } from './audit.ts';
import { type Caller, localCaller, networkOf, ScopedCaller } from './caller.ts';
import { KeyRing } from './key-ring.ts';
import { assertLocalCaller, assertSameOrigin } from './loopback.ts';
import { TokenRefused, TokenVerifier } from './tokens.ts';
import { WatchedFiles } from './watched-files.ts';

/** Tokens whose signatures are being checked, or that wait for the issuer's keys: beyond these it is not worth waiting. */
const mostChecks = 2000;
/** That an issuer does not answer is logged this often at most. */
const missedEveryMs = 10_000;

/** What a request shows of where it comes from. */
export interface Credentials {
  readonly authorization?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/** The other end of the connection; a socket is one. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  /** Over TLS only. */
  getPeerCertificate?(): {
    readonly subject?: { readonly CN?: string | string[] };
    readonly subjectaltname?: string | undefined;
  };
}

/** Whether requests have to say who sends them. */
export const isAuthenticated = (settings: ServingSettings): boolean =>
  settings.keysFile !== undefined || settings.jwt !== undefined || settings.tls?.clientCaFile !== undefined;

/** A hash in hexadecimal, and what a reader of the log may know the name by. */
const maxNameLength = 256;
const bearer = /^Bearer +(\S+) *$/i;
const basic = /^Basic +(\S+) *$/i;
const looksLikeToken = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Decides who sends a request. What a caller may do is the data plane's to check. */
export class Access {
  readonly #keys: WatchedFiles<KeyRing> | undefined;
  readonly #tokens: TokenVerifier | undefined;
  readonly #isOpen: boolean;
  readonly #byCertificate: boolean;
  readonly #audit: Audit;
  readonly #log: Log;
  /** By where they come from: who sends them is what they wait to tell. */
  readonly #checks = new Room();
  #missedToldMs = Number.NEGATIVE_INFINITY;

  private constructor(
    settings: ServingSettings,
    keys: WatchedFiles<KeyRing> | undefined,
    audit: Audit,
    log: Log,
  ) {
    this.#keys = keys;
    this.#tokens = settings.jwt && new TokenVerifier(settings.jwt);
    this.#isOpen = !isAuthenticated(settings);
    this.#byCertificate = keys === undefined && settings.jwt === undefined;
    this.#audit = audit;
    this.#log = log;
  }

  /** @throws ServingError SERVING_BAD_SETTINGS where the keys cannot be read */
  static async open(settings: ServingSettings, audit: Audit, log: Log): Promise<Access> {
    const { keysFile } = settings;
    if (keysFile === undefined) return new Access(settings, undefined, audit, log);
    const onChange = (ring: KeyRing) => audit.event('keys-changed', { ids: ring.ids });
    try {
      const keys = await WatchedFiles.open(
        [keysFile],
        ([file]) => new KeyRing(file as Buffer),
        onChange,
        log,
      );
      return new Access(settings, keys, audit, log);
    } catch (error) {
      throw new ServingError('SERVING_BAD_SETTINGS', `keysFile ${keysFile}: ${(error as Error).message}`);
    }
  }

  /**
   * Who asks; at once where no issuer has to be asked.
   * @throws ServingError SERVING_FOREIGN_HOST, SERVING_UNAUTHENTICATED, SERVING_AUTH_UNAVAILABLE
   */
  callerOf(credentials: Credentials, peer: Peer): Caller | Promise<Caller> {
    if (this.#isOpen) {
      assertLocalCaller(credentials);
      return localCaller;
    }
    if (this.#byCertificate) return certificateCaller(peer);
    const { authorization } = credentials;
    if (authorization === undefined) throw this.#unknown('the request says nothing', peer);
    const secret = this.#secretOf(authorization, credentials);
    if (secret === undefined) throw this.#unknown('Authorization is neither Bearer nor Basic', peer);
    const caller = this.#keys?.current.find(secret);
    if (caller !== undefined) return caller;
    if (this.#tokens === undefined || !looksLikeToken.test(secret)) {
      throw this.#unknown('the key is not known', peer);
    }
    return this.#tokens.known(secret) ?? this.#bearerOf(this.#tokens, secret, peer);
  }

  /** Browsers send Basic by themselves, also for a page of somebody else: that must be this server's own page. */
  #secretOf(authorization: string, credentials: Credentials): string | undefined {
    const given = bearer.exec(authorization)?.[1];
    if (given !== undefined) return given;
    const pair = basic.exec(authorization)?.[1];
    if (pair === undefined) return undefined;
    assertSameOrigin(credentials);
    return Buffer.from(pair, 'base64')
      .toString('utf8')
      .replace(/^[^:]*:/, '');
  }

  async #bearerOf(tokens: TokenVerifier, token: string, peer: Peer): Promise<Caller> {
    const place = networkOf(peer.remoteAddress);
    if (!this.#checks.take(1, mostChecks, place)) {
      throw new ServingError('SERVING_AUTH_UNAVAILABLE', `${this.#checks.held} tokens wait to be checked`);
    }
    try {
      return await tokens.find(token);
    } catch (error) {
      if (error instanceof TokenRefused)
        throw this.#unknown(`the token is not valid, ${error.message}`, peer);
      this.#missed(error as Error);
      throw new ServingError('SERVING_AUTH_UNAVAILABLE', 'The token cannot be checked right now');
    } finally {
      this.#checks.release(1, place);
    }
  }

  /** Whoever has a token of that issuer, or makes one up, misses its answer: said now and then, and not for each of them. */
  #missed(error: Error): void {
    const nowMs = performance.now();
    if (nowMs - this.#missedToldMs < missedEveryMs) return;
    this.#missedToldMs = nowMs;
    this.#log.error({ reason: error.message }, 'the issuer of tokens does not answer');
  }

  #unknown(reason: string, peer: Peer): ServingError {
    this.#audit.event('caller-unknown', { reason, address: peer.remoteAddress });
    return new ServingError('SERVING_UNAUTHENTICATED', `Who asks is not known: ${reason}`);
  }

  close(): void {
    this.#keys?.close();
  }
}

/** Two that begin alike are two all the same. */
const shortened = (name: string): string =>
  name.length <= maxNameLength ? name : `${name.slice(0, maxNameLength - 65)} ${hash('sha256', name)}`;

/** What the client's certificate calls it: its common name, or, as workloads have it, its other names. */
export function certificateName(peer: Peer): string | undefined {
  const certificate = peer.getPeerCertificate?.();
  const name = certificate?.subject?.CN ?? certificate?.subjectaltname;
  return name === undefined ? undefined : shortened(String(name));
}

/** The handshake has checked the certificate. */
function certificateCaller(peer: Peer): Caller {
  return new ScopedCaller(certificateName(peer) ?? 'certificate', ['*:*'], {});
}
