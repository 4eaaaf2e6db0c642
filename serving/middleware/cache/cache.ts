/** Bytes by key that may be forgotten at any time. A cache that is away is an empty one: nothing here fails, or waits for long. */
export interface Cache {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Returns at once. */
  set(key: string, value: Uint8Array, ttlSeconds: number): void;
}
