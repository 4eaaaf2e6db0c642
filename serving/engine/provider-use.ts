import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** ONNX Runtime's name of the provider that each run kernel belonged to, out of its profile (a JSON array of trace events). */
export function providersUsed(profile: string): ReadonlySet<string> {
  const events = JSON.parse(profile) as { args?: { provider?: string } }[];
  return new Set(events.flatMap(({ args }) => args?.provider ?? []));
}

/**
 * ONNX Runtime runs on the CPU what its CUDA provider does not take, in the worst case everything, and says so to nobody. So the
 * first run of a session on a GPU is profiled, and the profile must show kernels on the device.
 */
export class ProviderWitness {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<ProviderWitness> {
    return new ProviderWitness(await mkdtemp(join(tmpdir(), 'modelmile-profile-')));
  }

  /** Session options that make it watch. */
  get options() {
    return { enableProfiling: true, profileFilePrefix: join(this.#folder, 'run') };
  }

  /**
   * Call once, after the session ran and its profile was ended.
   * @throws Error where nothing ran on the provider
   */
  async confirm(provider: string): Promise<void> {
    try {
      const [file] = await readdir(this.#folder);
      const used = providersUsed(await readFile(join(this.#folder, file ?? ''), 'utf8'));
      if (used.has(provider)) return;
      throw new Error(
        `executionProvider is cuda, and no part of the model ran on the GPU (only on ${[...used].join(', ') || 'nothing'})`,
      );
    } finally {
      await this.discard();
    }
  }

  async discard(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
