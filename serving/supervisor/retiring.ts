import type { Generation } from './generation.ts';

/** A connection on which nothing is asked is kept this long after a reload: its client may be about to use it. */
const idleMs = 10_000;
/** The same when the server ends. */
const lastIdleMs = 1_000;
/** Generations that drain at a time; of more, the oldest lets its idle connections go. */
const maxDraining = 2;

/** Generations that have been replaced and finish what they have. */
export class Retiring {
  readonly #draining = new Map<Generation, Promise<void>>();

  add(generation: Generation): void {
    const drained = generation.drain(generation.settings.drainTimeoutMs, idleMs);
    this.#draining.set(generation, drained);
    void drained.then(() => this.#draining.delete(generation));
    if (this.#draining.size > maxDraining) [...this.#draining.keys()][0]?.hurry(0);
  }

  /** Resolves when all are gone. */
  async end(): Promise<void> {
    for (const generation of this.#draining.keys()) generation.hurry(lastIdleMs);
    await Promise.all(this.#draining.values());
  }
}
