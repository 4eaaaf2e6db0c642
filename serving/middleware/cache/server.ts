import { Redis } from 'ioredis';
import type { ServingSettings } from '../../contract/index.ts';
import type { Log } from '../../log.ts';
import type { Cache } from './cache.ts';
import { cacheCredentials } from './credentials.ts';

type CacheSettings = NonNullable<ServingSettings['cache']>;

const connectTimeoutMs = 5_000;
/** Longer than a request can wait for what only saves it time. */
const answerTimeoutMs = 50;
/** A server that says nothing for so long is away: what it is sent would pile up, and each request wait. */
const silenceMs = 5_000;
/** A server that is away is looked for again after this long. */
const retryAfterMs = 1_000;

/** A Valkey or Redis server. While it cannot be reached it is an empty cache. */
export class ServerCache implements Cache {
  readonly #settings: CacheSettings;
  readonly #onFailure: () => void;
  readonly #log: Log;
  /** Undefined while there is no connection. */
  #client: Redis | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isAway = false;

  constructor(settings: CacheSettings, onFailure: () => void, log: Log) {
    this.#settings = settings;
    this.#onFailure = onFailure;
    this.#log = log;
    void this.#connect();
  }

  /** A new client for every connection: its password may be another by now. */
  async #connect(): Promise<void> {
    const { host, port, tls, auth } = this.#settings;
    let client: Redis | undefined;
    try {
      client = new Redis({
        host,
        port,
        ...(await cacheCredentials(auth)),
        ...(tls && { tls: { servername: host } }),
        lazyConnect: true,
        connectTimeout: connectTimeoutMs,
        commandTimeout: answerTimeoutMs,
        socketTimeout: silenceMs,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        retryStrategy: () => null,
      });
      const opened = client;
      client.on('error', (error: Error) => this.#away(opened, error));
      client.on('close', () => this.#away(opened, new Error('the connection was closed')));
      await client.connect();
      this.#client = client;
      if (this.#isAway) this.#log.info({ host, port }, 'the cache is there again');
      this.#isAway = false;
    } catch (error) {
      this.#away(client, error as Error);
    }
  }

  #away(client: Redis | undefined, error: Error): void {
    if (this.#client !== undefined && client !== this.#client) return;
    this.#client = undefined;
    client?.disconnect();
    if (!this.#isAway) {
      const { host, port } = this.#settings;
      this.#log.warn({ host, port, reason: error.message }, 'the cache is away; answers are worked out');
    }
    this.#isAway = true;
    this.#onFailure();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), retryAfterMs).unref();
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return (await this.#client?.getBuffer(key)) ?? undefined;
    } catch {
      this.#onFailure();
      return undefined;
    }
  }

  set(key: string, value: Uint8Array, ttlSeconds: number): void {
    this.#client?.set(key, Buffer.from(value), 'EX', ttlSeconds).catch(this.#onFailure);
  }
}
