import type { Database } from '../middleware/database/database.ts';
import type { Limits } from '../security/caller.ts';
import type { Lease } from '../security/rate-limiter.ts';

const schema = `CREATE TABLE IF NOT EXISTS caller_usage (
  caller_id text NOT NULL, day text NOT NULL, requests bigint NOT NULL, PRIMARY KEY (caller_id, day))`;

const dayMs = 24 * 3600 * 1000;
/** A database that has not told by then what a caller has used counts as one that is away. */
const usagePatienceMs = 2_000;
/** Usage is written this often: what is not written yet when the process is killed is forgotten. */
const saveEveryMs = 5_000;
/** Beyond the sustained rate, what was not used for this long may be used at once. */
const burstSeconds = 1;

/** A worker gets at most this part of what is left of a day. */
const sharesOfRest = 20;

interface Account {
  tokens: number;
  /** From then on one that is made anew grants as much. */
  fullAtMs: number;
  refilledAtMs: number;
  day: string;
  /** Requests of the day, as far as the database knew, and those that it has not been told of. */
  stored: number;
  unsaved: number;
}

/** Requests that may come at once. */
const capacityOf = (rate: number): number => Math.max(1, rate * burstSeconds);

const dayOf = (nowMs: number): string => new Date(nowMs).toISOString().slice(0, 10);

/** What callers may still ask, over all workers; requests a day also over restarts, and over servers that share a database. */
export class Allowances {
  readonly #database: Promise<Database>;
  readonly #accounts = new Map<string, Account>();
  readonly #timer: NodeJS.Timeout;
  #ready: Promise<unknown> | undefined;

  constructor(database: Promise<Database>) {
    this.#database = database;
    this.#timer = setInterval(() => void this.save(), saveEveryMs).unref();
  }

  /** Grants up to `wanted` requests. */
  async lease(callerId: string, wanted: number, limits: Limits, nowMs = Date.now()): Promise<Lease> {
    const account = await this.#account(callerId, limits, nowMs);
    const { requestsPerSecond: rate, requestsPerDay: quota } = limits;
    if (rate !== undefined) {
      // A clock that is put back takes nothing from anybody.
      const sinceMs = Math.max(0, nowMs - account.refilledAtMs);
      account.tokens = Math.min(capacityOf(rate), account.tokens + (sinceMs / 1000) * rate);
      account.refilledAtMs = nowMs;
      wanted = Math.min(wanted, Math.floor(account.tokens));
      if (wanted < 1) return { granted: 0, retryAfterMs: ((1 - account.tokens) / rate) * 1000 };
    }
    if (quota !== undefined) {
      const left = quota - account.stored - account.unsaved;
      // Towards the end of the day's allowance none may lie unused with a worker that is not asked.
      wanted = Math.min(wanted, left, Math.max(1, Math.floor(left / sharesOfRest)));
      if (wanted < 1) return { granted: 0, retryAfterMs: dayMs - (nowMs % dayMs) };
      account.unsaved += wanted;
    }
    // Where there is no rate there are no debts, which one that is set later would have to pay.
    if (rate !== undefined) {
      account.tokens -= wanted;
      account.fullAtMs = nowMs + ((capacityOf(rate) - account.tokens) / rate) * 1000;
    }
    return { granted: wanted, retryAfterMs: 0 };
  }

  async #account(callerId: string, limits: Limits, nowMs: number): Promise<Account> {
    const day = dayOf(nowMs);
    const known = this.#accounts.get(callerId);
    if (known?.day === day) return known;
    const stored = limits.requestsPerDay === undefined ? 0 : await this.#usage(callerId, day);
    // Another request may have made it meanwhile.
    const meanwhile = this.#accounts.get(callerId);
    if (meanwhile?.day === day) return meanwhile;
    const account = {
      tokens: known?.tokens ?? capacityOf(limits.requestsPerSecond ?? 0),
      fullAtMs: known?.fullAtMs ?? nowMs,
      refilledAtMs: known?.refilledAtMs ?? nowMs,
      day,
      stored,
      unsaved: 0,
    };
    this.#accounts.set(callerId, account);
    return account;
  }

  async #open(): Promise<Database> {
    const database = await this.#database;
    this.#ready ??= database.query(schema);
    await this.#ready;
    return database;
  }

  /** A database that is away must not let nobody in: the count then starts at zero, until what was used is written. */
  async #usage(callerId: string, day: string): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const unknown = new Promise<number>((resolve) => {
      timer = setTimeout(resolve, usagePatienceMs, 0);
    });
    return Promise.race([this.#stored(callerId, day), unknown]).finally(() => clearTimeout(timer));
  }

  async #stored(callerId: string, day: string): Promise<number> {
    try {
      const database = await this.#open();
      const rows = await database.query(
        'SELECT requests FROM caller_usage WHERE caller_id = $1 AND day = $2',
        [callerId, day],
      );
      return Number(rows[0]?.['requests'] ?? 0);
    } catch {
      return 0;
    }
  }

  /** Callers that are kept in mind. */
  get size(): number {
    return this.#accounts.size;
  }

  /** There are as many subjects of tokens as their issuer likes. */
  #forget(nowMs: number): void {
    for (const [callerId, { stored, unsaved, fullAtMs }] of this.#accounts) {
      if (stored + unsaved === 0 && fullAtMs <= nowMs) this.#accounts.delete(callerId);
    }
  }

  /** Tells the database what was used, and learns what other servers granted. */
  async save(nowMs = Date.now()): Promise<void> {
    this.#forget(nowMs);
    for (const [callerId, account] of this.#accounts) {
      const { unsaved, day } = account;
      if (unsaved === 0) continue;
      try {
        const database = await this.#open();
        const rows = await database.query(
          `INSERT INTO caller_usage (caller_id, day, requests) VALUES ($1, $2, $3)
           ON CONFLICT (caller_id, day) DO UPDATE SET requests = caller_usage.requests + $3 RETURNING requests`,
          [callerId, day, unsaved],
        );
        account.unsaved -= unsaved;
        account.stored = Number(rows[0]?.['requests'] ?? account.stored + unsaved);
      } catch {
        return;
      }
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.save();
  }
}
