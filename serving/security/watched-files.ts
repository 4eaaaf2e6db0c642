import { readFile } from 'node:fs/promises';
import type { Log } from '../log.ts';

/** Secrets are swapped by renaming folders, which file system events miss: the content is looked at instead. */
const lookEveryMs = 1_000;

const isSame = (some: readonly Buffer[], others: readonly Buffer[]): boolean =>
  some.length === others.length && some.every((content, index) => content.equals(others[index] as Buffer));

/**
 * Keeps something made of files up to date. A content that cannot be used is logged and what was before stays in use: a half-written
 * file must not lock everyone out. It is tried again at each look, for some become good by waiting.
 */
export class WatchedFiles<T> {
  current: T;
  readonly #paths: readonly string[];
  readonly #make: (contents: readonly Buffer[]) => T | Promise<T>;
  readonly #onChange: (value: T) => void;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  /** What `current` is made of. */
  #used: readonly Buffer[];
  #refused: { readonly reason: string; readonly contents: readonly Buffer[] } | undefined;

  private constructor(
    paths: readonly string[],
    make: (contents: readonly Buffer[]) => T | Promise<T>,
    onChange: (value: T) => void,
    log: Log,
    first: { contents: readonly Buffer[]; value: T },
  ) {
    this.#paths = paths;
    this.#make = make;
    this.#onChange = onChange;
    this.#log = log;
    this.#used = first.contents;
    this.current = first.value;
    this.#timer = setInterval(() => void this.#look(), lookEveryMs).unref();
  }

  /**
   * @param make from the files' contents, in the order of `paths`
   * @param onChange called after each change but the first
   * @throws what `make` or reading throws, the first time only
   */
  static async open<T>(
    paths: readonly string[],
    make: (contents: readonly Buffer[]) => T | Promise<T>,
    onChange: (value: T) => void,
    log: Log,
  ): Promise<WatchedFiles<T>> {
    const contents = await Promise.all(paths.map((path) => readFile(path)));
    return new WatchedFiles(paths, make, onChange, log, { contents, value: await make(contents) });
  }

  async #look(): Promise<void> {
    let contents: readonly Buffer[] = [];
    try {
      contents = await Promise.all(this.#paths.map((path) => readFile(path)));
      if (!isSame(contents, this.#used)) {
        this.current = await this.#make(contents);
        this.#used = contents;
        this.#onChange(this.current);
      }
      this.#refused = undefined;
    } catch (error) {
      const reason = (error as Error).message;
      // Found again at every look, and said once.
      if (this.#refused?.reason === reason && isSame(this.#refused.contents, contents)) return;
      this.#refused = { reason, contents };
      this.#log.error({ files: this.#paths, reason }, 'cannot be used; what was read before stays in use');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
