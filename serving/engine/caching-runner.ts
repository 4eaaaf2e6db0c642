import { createHash } from 'node:crypto';
import type { Cache } from '../middleware/cache/cache.ts';
import type { Count } from '../monitoring/registry.ts';
import type { Phases } from '../tracing/phases.ts';
import { rawFromTensor } from '../wire/raw.ts';
import { bytesOfTensors, tensorsOfBytes } from './answer-bytes.ts';
import type { Cancellation, Runner } from './runner.ts';
import type { TensorValue } from './tensor.ts';

/** What is cached, and how often it helped. */
export interface Caching {
  readonly cache: Cache;
  readonly ttlSeconds: number;
  readonly hits: Count;
  readonly misses: Count;
}

/** Gives answers again that were given before, for equal inputs to a version with the same digest. */
export class CachingRunner implements Runner {
  readonly #runner: Runner;
  readonly #digest: string;
  readonly #caching: Caching;

  constructor(runner: Runner, digest: string, caching: Caching) {
    this.#runner = runner;
    this.#digest = digest;
    this.#caching = caching;
  }

  async run(
    inputs: readonly TensorValue[],
    rows: number,
    deadlineMs: number,
    signal: Cancellation | undefined,
    phases?: Phases,
  ): Promise<readonly TensorValue[]> {
    const { cache, ttlSeconds, hits, misses } = this.#caching;
    const key = this.#keyOf(inputs);
    const known = await this.#known(key);
    if (known !== undefined) {
      hits.add();
      return known;
    }
    misses.add();
    const outputs = await this.#runner.run(inputs, rows, deadlineMs, signal, phases);
    cache.set(key, bytesOfTensors(outputs), ttlSeconds);
    return outputs;
  }

  /** What cannot be read is worked out again. */
  async #known(key: string): Promise<readonly TensorValue[] | undefined> {
    const bytes = await this.#caching.cache.get(key);
    try {
      return bytes && tensorsOfBytes(bytes);
    } catch {
      return undefined;
    }
  }

  #keyOf(inputs: readonly TensorValue[]): string {
    const hash = createHash('sha256').update(this.#digest);
    for (const input of inputs) {
      const bytes = rawFromTensor(input);
      hash.update(`\n${input.dtype} ${input.shape} ${bytes.length}\n`).update(bytes);
    }
    return `modelmile:answer:${hash.digest('base64url')}`;
  }
}
