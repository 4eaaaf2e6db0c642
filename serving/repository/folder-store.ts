import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable } from './remote-files.ts';
import type { ModelStore } from './store.ts';

/** Numbers of version folders, ascending; folders that are being written have other names. */
export function versionNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[1-9]\d{0,15}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** A file, nothing, or a folder that is not ours, as lost+found: no model. */
const areNoModels: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR', 'EACCES'];

/** Names in a folder. @throws ServingError SERVING_STORE_UNAVAILABLE, but for the reasons in `harmless` */
async function namesIn(folder: string, harmless: readonly (string | undefined)[]): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (harmless.includes(code)) return [];
    throw unavailable(code === 'ENOENT' ? `there is no folder ${folder}` : message);
  }
}

/** A repository on this machine; its disk may be away. */
export class FolderStore implements ModelStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Folders, and links to some, that hold a folder with a positive number for a name. */
  async models(): Promise<string[]> {
    const entries = await namesIn(this.#root, []);
    const names: string[] = [];
    for (const name of entries) {
      if (!name.startsWith('.') && (await this.versions(name)).length > 0) names.push(name);
    }
    return names.sort();
  }

  async versions(model: string): Promise<number[]> {
    return versionNumbers(await namesIn(join(this.#root, model), areNoModels));
  }

  async folderOf(model: string, version: number): Promise<string> {
    return join(this.#root, model, String(version));
  }

  async prune(): Promise<void> {}
}
