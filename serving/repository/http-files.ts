import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { ServingSettings } from '../contract/index.ts';
import { contentOf, type RemoteContent, type RemoteFiles, unavailable, wholeOf } from './remote-files.ts';

/** What HTTP cannot list: the versions of each model. */
const Index = z.record(z.string(), z.array(z.int().min(1)));
const maxIndexBytes = 1024 * 1024;

/** A repository on a web server. */
export class HttpFiles implements RemoteFiles {
  readonly #root: string;
  readonly #credentialsDir: string | undefined;

  constructor(root: string, { credentialsDir }: ServingSettings['store']) {
    this.#root = root.replace(/\/+$/, '');
    this.#credentialsDir = credentialsDir;
  }

  async #index(): Promise<z.infer<typeof Index>> {
    const where = `${this.#root}/index.json`;
    const content = await this.read('index.json');
    if (content === undefined)
      throw unavailable(`There is no ${where}, which lists the versions of each model`);
    try {
      return Index.parse(JSON.parse((await wholeOf(content, where, maxIndexBytes)).toString('utf8')));
    } catch (error) {
      throw unavailable(`${where} is not of the form {"model": [1, 2]}: ${(error as Error).message}`);
    }
  }

  async models(): Promise<string[]> {
    return Object.keys(await this.#index()).sort();
  }

  async versions(model: string): Promise<number[]> {
    const index = await this.#index();
    return (Object.hasOwn(index, model) ? (index[model] as number[]) : []).toSorted((a, b) => a - b);
  }

  read(path: string, from = 0): Promise<RemoteContent | undefined> {
    const url = `${this.#root}/${path.split('/').map(encodeURIComponent).join('/')}`;
    return contentOf(url, (signal) => {
      const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
      if (this.#credentialsDir !== undefined) {
        headers['authorization'] =
          `Bearer ${readFileSync(join(this.#credentialsDir, 'token'), 'utf8').trim()}`;
      }
      // Where a redirect leads is not in the settings.
      return fetch(url, { headers, signal, redirect: 'error' });
    });
  }
}
