/**
 * Something that all callers share and of which there is only so much. What one may have of it shrinks as it fills, as in switches
 * whose ports share their memory (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998): at
 * most so many times what it leaves to all others. Whoever takes all it can leaves a part in 1 + `times` to who comes next.
 */
export class Room {
  readonly #times: number;
  #held = 0;
  /** By whom nobody knows. */
  #unknown = 0;
  readonly #byHolder = new Map<string, number>();

  constructor(times = 1) {
    this.#times = times;
  }

  /** What all of them hold. */
  get held(): number {
    return this.#held;
  }

  heldBy(holder: string | undefined): number {
    return holder === undefined ? this.#unknown : (this.#byHolder.get(holder) ?? 0);
  }

  /** Answers false, and takes nothing, where this holder has its share. Where nothing is held anything fits. */
  take(amount: number, size: number, holder: string | undefined): boolean {
    const left = size - this.#held;
    const isFull = amount > left || this.heldBy(holder) + amount > this.#times * left;
    if (this.#held > 0 && isFull) return false;
    this.#add(amount, holder);
    return true;
  }

  release(amount: number, holder: string | undefined): void {
    this.#add(-amount, holder);
  }

  #add(amount: number, holder: string | undefined): void {
    this.#held += amount;
    if (holder === undefined) this.#unknown += amount;
    else {
      const held = this.heldBy(holder) + amount;
      if (held === 0) this.#byHolder.delete(holder);
      else this.#byHolder.set(holder, held);
    }
  }
}
