import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelStore } from './store.ts';

/** Numbers of version folders, ascending; folders that are being written have other names. */
export function versionNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[1-9]\d{0,15}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** A repository on this machine. */
export class FolderStore implements ModelStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Folders, and links to some, that hold a folder with a positive number for a name. */
  async models(): Promise<string[]> {
    const entries = await readdir(this.#root).catch(() => [] as string[]);
    const names: string[] = [];
    for (const name of entries) {
      if (!name.startsWith('.') && (await this.versions(name)).length > 0) names.push(name);
    }
    return names.sort();
  }

  async versions(model: string): Promise<number[]> {
    return versionNumbers(await readdir(join(this.#root, model)).catch(() => [] as string[]));
  }

  async folderOf(model: string, version: number): Promise<string> {
    return join(this.#root, model, String(version));
  }

  async prune(): Promise<void> {}
}
