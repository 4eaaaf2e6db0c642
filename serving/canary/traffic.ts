import type { ServedModel } from '../contract/index.ts';

/** A weighted request waits this long for the canary at least, and so many times as long as `stable` takes. */
const leastPatienceMs = 250;
const patienceOfStable = 10;
/** How fast the mean time of `stable` follows. */
const smoothing = 0.05;
/** Answers that are on their way to be compared; beyond, they are let go. */
const maxShadows = 4;

/** Which label a request that names none gets, and which answers are compared: of one model, in one worker. */
export class Traffic {
  readonly labels: Readonly<Record<string, number>>;
  /** Versions that were taken out, with why. */
  removed: ReadonlyMap<number, string> = new Map();
  readonly #weights: readonly (readonly [label: string, weight: number])[];
  readonly #credits = new Map<string, number>();
  readonly #shadowShare: number;
  #shadowCredit = 0;
  #shadows = 0;
  #stableMs = 0;

  constructor({ versionLabels, weights, canary }: ServedModel) {
    this.labels = versionLabels;
    const given = Object.entries(weights).filter(([, weight]) => weight > 0);
    this.#weights = given.length > 0 ? given : canary === undefined ? [] : [['stable', 1]];
    this.#shadowShare = canary?.shadow ?? 0;
  }

  #isIn(label: string): boolean {
    return !this.removed.has(this.labels[label] ?? -1);
  }

  /**
   * The next label by weight: exact shares in short runs, not by chance. Undefined where there are no weights. The share of a version
   * that was taken out is the others'.
   */
  pick(): string | undefined {
    let total = 0;
    let best: string | undefined;
    let most = Number.NEGATIVE_INFINITY;
    for (const [label, weight] of this.#weights) {
      if (!this.#isIn(label)) continue;
      const credit = (this.#credits.get(label) ?? 0) + weight;
      this.#credits.set(label, credit);
      total += weight;
      if (credit > most) {
        most = credit;
        best = label;
      }
    }
    if (best === undefined) return this.#weights.length > 0 ? 'stable' : undefined;
    this.#credits.set(best, most - total);
    return best;
  }

  /** The label that most requests get. */
  get usual(): string | undefined {
    const [heaviest] = this.#weights.filter(([label]) => this.#isIn(label)).sort(([, a], [, b]) => b - a);
    return heaviest?.[0] ?? (this.#weights.length > 0 ? 'stable' : undefined);
  }

  /** How long a request that nobody sent to the canary waits for it, before `stable` answers. */
  get patienceMs(): number {
    return leastPatienceMs + patienceOfStable * this.#stableMs;
  }

  /** Notes an answer of `stable`. Whether it is to be compared with the canary's; then `compared` is called once that is done. */
  takeShadow(stableMs: number): boolean {
    this.#stableMs += smoothing * (stableMs - this.#stableMs);
    if (this.#shadowShare === 0 || !this.#isIn('canary')) return false;
    this.#shadowCredit += this.#shadowShare;
    if (this.#shadowCredit < 1) return false;
    this.#shadowCredit -= 1;
    return this.#take();
  }

  /** Whether what the canary could not answer is to be compared; then `compared` is called once that is done. */
  takeFailure(): boolean {
    return this.#isIn('canary') && this.#take();
  }

  #take(): boolean {
    if (this.#shadows >= maxShadows) return false;
    this.#shadows += 1;
    return true;
  }

  compared(): void {
    this.#shadows -= 1;
  }
}
