/** What is to be seen of a worker. */
export interface Watched {
  readonly isReady: boolean;
  readonly isDraining: boolean;
  /** For how long nothing was heard from it, as far as `Silence` has counted. */
  silentMs: number;
}

export interface SilenceEvents<W extends Watched> {
  /** It runs a long batch, or hangs: its totals are asked for every second, and it does not tell. */
  silent(worker: W): void;
  /** It has been silent for longer than any request may take. */
  hung(worker: W): void;
}

/** Silent for so long, a worker does not get to what it was sent. */
const silentAfterMs = 3_000;
const leastPatienceMs = 60_000;
/** So many times as long as a request may take. */
const timesOfRequest = 2;

/** How long a worker may be silent: it runs models on the thread with which it speaks. */
export const patienceOf = (requestTimeoutMs: number): number =>
  Math.max(leastPatienceMs, timesOfRequest * requestTimeoutMs);

/** Finds workers from which nothing is heard. One that loads may take its time, one that drains has a deadline of its own. */
export class Silence<W extends Watched> {
  readonly #workers: () => Iterable<W>;
  readonly #patienceMs: number;
  readonly #events: SilenceEvents<W>;

  constructor(workers: () => Iterable<W>, patienceMs: number, events: SilenceEvents<W>) {
    this.#workers = workers;
    this.#patienceMs = patienceMs;
    this.#events = events;
  }

  /** @param ms that have passed, in which this process could hear */
  passed(ms: number): void {
    for (const worker of [...this.#workers()]) {
      if (!worker.isReady) continue;
      worker.silentMs += ms;
      if (worker.silentMs >= this.#patienceMs && !worker.isDraining) this.#events.hung(worker);
      else if (worker.silentMs >= silentAfterMs) this.#events.silent(worker);
    }
  }
}
