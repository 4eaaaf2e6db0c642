import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Version folders `<root>/<model>/<version>` of a model repository (contract 1). */
export async function listVersionFolders(root: string): Promise<string[]> {
  const folders: string[] = [];
  for (const model of await readdir(root, { withFileTypes: true })) {
    if (!model.isDirectory()) continue;
    const versions = await readdir(join(root, model.name));
    folders.push(
      ...versions.filter((name) => /^[1-9]\d*$/.test(name)).map((name) => join(root, model.name, name)),
    );
  }
  return folders;
}
