import { LRUCache } from 'lru-cache';
import { ServingError } from '../errors.ts';
import type { Caller, Limits } from './caller.ts';

/** What the supervisor grants a worker of a caller's allowance. */
export interface Lease {
  readonly granted: number;
  /** Where nothing was granted: when to ask again. */
  readonly retryAfterMs: number;
}

/** Asks for up to `wanted` requests of a caller. */
export type LeaseSource = (callerId: string, wanted: number, limits: Limits) => Promise<Lease>;

/** A lease covers about this long, so that no more than that lies unused with other workers. */
const leaseSeconds = 0.05;
const maxLease = 1_000;
/** Callers that are kept in mind; one that is not asks the supervisor at its next request. */
const maxAccounts = 10_000;

interface Account {
  left: number;
  refusedUntilMs: number;
  /** Under which it was refused: with others it may ask again at once. */
  limits: Limits;
  asking: Promise<void> | undefined;
}

/**
 * The worker's side of limits: they hold over all workers, so a worker takes small shares of a caller's allowance from the
 * supervisor and spends them on its own.
 */
export class RateLimiter {
  readonly #lease: LeaseSource;
  readonly #accounts = new LRUCache<string, Account>({ max: maxAccounts });

  constructor(lease: LeaseSource) {
    this.#lease = lease;
  }

  /** Counts one request. At once where it can. @throws ServingError SERVING_RATE_LIMITED */
  take(caller: Caller): void | Promise<void> {
    const { id, limits } = caller;
    if (limits === undefined) return;
    let account = this.#accounts.get(id);
    if (account === undefined) {
      account = { left: 0, refusedUntilMs: 0, limits, asking: undefined };
      this.#accounts.set(id, account);
    }
    if (account.left > 0) account.left -= 1;
    else return this.#wait(id, account, limits);
  }

  async #wait(id: string, account: Account, limits: Limits): Promise<void> {
    while (account.left === 0) {
      if (!isSame(account.limits, limits)) {
        account.limits = limits;
        account.refusedUntilMs = 0;
      }
      const waitMs = account.refusedUntilMs - performance.now();
      if (waitMs > 0) {
        const refusal = new ServingError('SERVING_RATE_LIMITED', `'${id}' has used up what it may ask`);
        refusal.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
        throw refusal;
      }
      account.asking ??= this.#ask(id, account, limits);
      await account.asking;
    }
    account.left -= 1;
  }

  async #ask(id: string, account: Account, limits: Limits): Promise<void> {
    const wanted = Math.ceil((limits.requestsPerSecond ?? maxLease / leaseSeconds) * leaseSeconds);
    try {
      const { granted, retryAfterMs } = await this.#lease(id, Math.min(wanted, maxLease), limits);
      account.left += granted;
      if (granted === 0) account.refusedUntilMs = performance.now() + retryAfterMs;
    } finally {
      account.asking = undefined;
    }
  }
}

const isSame = (a: Limits, b: Limits): boolean =>
  a.requestsPerSecond === b.requestsPerSecond && a.requestsPerDay === b.requestsPerDay;
