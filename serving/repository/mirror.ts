import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { manifestDigest, parseManifest, signatureFile } from '../../conversion/manifest/index.ts';
import { ServingError } from '../errors.ts';
import { type RemoteFiles, unavailable, wholeOf } from './remote-files.ts';
import type { ModelStore } from './store.ts';
import { checkSignature, filesBeside } from './version.ts';

const maxManifestBytes = 16 * 1024 * 1024;
/** A transfer that breaks goes on where it was, so many times. */
const attempts = 4;
/** Versions that are kept though nothing serves them: a roll-back needs no transfer. */
const keptUnused = 3;

interface ExpectedFile {
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * A repository elsewhere with what was read of it on this machine: `<folder>/<manifest digest>/` is complete and verified once it is
 * there, `<folder>/partial/<sha256>` goes on where it stopped, also in the next process.
 */
export class Mirror implements ModelStore {
  readonly #remote: RemoteFiles;
  readonly #folder: string;
  readonly #trustedKeys: readonly string[];

  constructor(remote: RemoteFiles, folder: string, trustedKeys: readonly string[]) {
    this.#remote = remote;
    this.#folder = folder;
    this.#trustedKeys = trustedKeys;
  }

  models(): Promise<string[]> {
    return this.#remote.models();
  }

  versions(model: string): Promise<number[]> {
    return this.#remote.versions(model);
  }

  async folderOf(model: string, version: number): Promise<string> {
    const path = `${model}/${version}`;
    try {
      const manifestBytes = await this.#small(`${path}/manifest.json`);
      if (manifestBytes === undefined) throw new Error('there is no manifest.json');
      const signature = (await this.#small(`${path}/${signatureFile}`))?.toString('utf8');
      // Before anything that the manifest names is fetched.
      checkSignature(manifestBytes, signature, this.#trustedKeys);
      const files = filesBeside(parseManifest(manifestBytes, `${path}/manifest.json`));
      const folder = join(this.#folder, manifestDigest(manifestBytes));
      if (!(await isWhole(folder, [...files, { file: 'manifest.json', sizeBytes: manifestBytes.length }]))) {
        await rm(folder, { recursive: true, force: true });
        for (const file of files) await this.#fetch(path, file);
        await this.#assemble(folder, manifestBytes, files);
      }
      if (signature !== undefined) await writeWhole(join(folder, signatureFile), signature);
      const now = new Date();
      await utimes(folder, now, now);
      return folder;
    } catch (error) {
      if (error instanceof ServingError) throw error;
      throw new ServingError(
        'SERVING_LOAD_FAILED',
        `${model} version ${version}: ${(error as Error).message}`,
      );
    }
  }

  async #small(path: string): Promise<Buffer | undefined> {
    const content = await this.#remote.read(path);
    return content && wholeOf(content, path, maxManifestBytes);
  }

  #partial(sha256: string): string {
    return join(this.#folder, 'partial', sha256);
  }

  /** Leaves the file in `partial`, whole and as expected. */
  async #fetch(path: string, expected: ExpectedFile): Promise<void> {
    await mkdir(join(this.#folder, 'partial'), { recursive: true });
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#goOn(`${path}/${expected.file}`, expected);
        return;
      } catch (error) {
        const isBroken = error instanceof ServingError && error.code === 'SERVING_STORE_UNAVAILABLE';
        if (!isBroken || attempt === attempts) throw error;
      }
    }
  }

  async #goOn(path: string, { file, sha256, sizeBytes }: ExpectedFile): Promise<void> {
    const partial = this.#partial(sha256);
    let have = (await stat(partial).catch(() => undefined))?.size ?? 0;
    if (have < sizeBytes) {
      const content = await this.#remote.read(path, have);
      if (content === undefined) throw new Error(`there is no ${file}`);
      if (content.from !== have) have = 0;
      const body = limited(content.body, sizeBytes - have, file);
      await pipeline(body, createWriteStream(partial, { flags: have === 0 ? 'w' : 'a' }));
    }
    const hash = createHash('sha256');
    await pipeline(createReadStream(partial), hash);
    const actual = hash.digest('hex');
    if (actual === sha256) return;
    const size = (await stat(partial)).size;
    if (size < sizeBytes)
      throw unavailable(`${path}: the transfer ended after ${size} of ${sizeBytes} bytes`);
    await rm(partial, { force: true });
    if (have > 0) throw unavailable(`${path}: the first ${have} bytes were others`);
    throw new Error(`${file} has sha256 ${actual}, the manifest says ${sha256}`);
  }

  /** All or nothing: a folder with a digest for a name is complete. */
  async #assemble(folder: string, manifest: Uint8Array, files: readonly ExpectedFile[]): Promise<void> {
    const staging = join(this.#folder, 'partial', randomUUID());
    await mkdir(staging, { recursive: true });
    for (const { file, sha256 } of files) await rename(this.#partial(sha256), join(staging, file));
    await writeFile(join(staging, 'manifest.json'), manifest);
    await rename(staging, folder);
  }

  async prune(used: readonly string[]): Promise<void> {
    // All that is used is whole: what was begun besides is for nothing.
    await rm(join(this.#folder, 'partial'), { recursive: true, force: true });
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    const unused = names.map((name) => join(this.#folder, name)).filter((folder) => !used.includes(folder));
    const aged = await Promise.all(
      unused.map(async (folder) => ({ folder, at: (await stat(folder)).mtimeMs })),
    );
    aged.sort((a, b) => b.at - a.at);
    for (const { folder } of aged.slice(keptUnused)) await rm(folder, { recursive: true, force: true });
  }
}

/** Whether all files are there and as long as they should be; what they hold is verified when they are loaded. */
async function isWhole(folder: string, files: readonly Omit<ExpectedFile, 'sha256'>[]): Promise<boolean> {
  const sizes = await Promise.all(
    files.map(({ file }) =>
      stat(join(folder, file)).then(
        ({ size }) => size,
        () => undefined,
      ),
    ),
  );
  return files.every(({ sizeBytes }, place) => sizes[place] === sizeBytes);
}

async function writeWhole(path: string, text: string): Promise<void> {
  const staging = `${path}.${randomUUID()}`;
  await writeFile(staging, text);
  await rename(staging, path);
}

/** A server must not fill the disk. */
async function* limited(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  file: string,
): AsyncGenerator<Uint8Array> {
  let left = maxBytes;
  for await (const part of body) {
    left -= part.length;
    if (left < 0) throw new Error(`${file} is larger than the manifest says`);
    yield part;
  }
}
