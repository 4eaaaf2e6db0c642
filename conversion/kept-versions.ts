import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Conversion } from './convert-once.ts';
import { makeFolder } from './make-folder.ts';
import { Champion, type Manifest } from './manifest/index.ts';
import { readVersion, readVersionManifest, writeVersion } from './version-folder.ts';

/** Verified versions that are kept a model, so that a rollback needs no source file. */
const keptVersions = 5;

/** A kept version, newest first in lists. */
export interface KeptVersion {
  readonly digest: string;
  readonly folder: string;
  readonly keptAtMs: number;
  readonly manifest: Manifest;
}

/** `.modelmile/models`: verified versions by content, and which of them is champion. */
export class KeptVersions {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  folder(model: string, digest: string): string {
    return join(this.#root, model, digest);
  }

  /** Keeps a version and forgets the oldest beyond the last five; what is in `needed` stays. */
  async keep(model: string, conversion: Conversion, needed: readonly string[] = []): Promise<void> {
    const folder = this.folder(model, conversion.digest);
    await writeVersion(conversion, folder);
    const now = new Date();
    await utimes(folder, now, now);
    const champion = (await this.champion(model))?.digest;
    const safe = new Set([conversion.digest, champion, ...needed]);
    for (const old of (await this.list(model)).slice(keptVersions)) {
      if (!safe.has(old.digest)) await rm(old.folder, { recursive: true, force: true });
    }
  }

  /** Newest first. */
  async list(model: string): Promise<KeptVersion[]> {
    const names = await readdir(join(this.#root, model)).catch(() => [] as string[]);
    const versions: KeptVersion[] = [];
    for (const digest of names.filter((name) => /^[0-9a-f]{64}$/.test(name))) {
      const folder = this.folder(model, digest);
      // One that is damaged is none: it must not stand in the way of the others.
      const version = await readVersionManifest(folder).catch(() => undefined);
      if (version === undefined) continue;
      const { manifest } = version;
      versions.push({ digest, folder, keptAtMs: (await stat(folder)).mtimeMs, manifest });
    }
    return versions.sort((a, b) => b.keptAtMs - a.keptAtMs);
  }

  read(model: string, digest: string): Promise<Conversion> {
    return readVersion(this.folder(model, digest));
  }

  async champion(model: string): Promise<Champion | undefined> {
    const text = await readFile(join(this.#root, model, 'champion.json'), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : Champion.parse(JSON.parse(text));
  }

  /** Moves the champion; whoever reads sees the old or the new one. */
  async crown(champion: Champion): Promise<void> {
    const folder = join(this.#root, champion.model);
    const unfinished = join(folder, `champion.${randomUUID()}.part`);
    await makeFolder(folder);
    await writeFile(unfinished, `${JSON.stringify(Champion.parse(champion), null, 2)}\n`);
    await rename(unfinished, join(folder, 'champion.json'));
  }
}
