/** A model repository, wherever it is. */
export interface ModelStore {
  /** @throws ServingError SERVING_STORE_UNAVAILABLE */
  models(): Promise<string[]>;
  /** Ascending. @throws ServingError SERVING_STORE_UNAVAILABLE */
  versions(model: string): Promise<number[]>;
  /**
   * A folder on this machine that holds the version, complete.
   * @throws ServingError SERVING_LOAD_FAILED, SERVING_STORE_UNAVAILABLE
   */
  folderOf(model: string, version: number): Promise<string>;
  /** Forgets what is kept of versions that are in none of these folders, but for the newest few. Not beside `folderOf`. */
  prune(used: readonly string[]): Promise<void>;
}
