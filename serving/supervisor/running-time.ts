const lookEveryMs = 250;
/** A look that comes later than that says that this process stood still itself. */
const stoodStillMs = 1_000;

/**
 * Tells how much time has passed, of the time in which this process ran. What it did not see while it was suspended, or busy, says
 * nothing of others; what they wrote meanwhile has been read before it is told more.
 */
export class RunningTime {
  readonly #passed: (ms: number) => void;
  #lastMs = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(passed: (ms: number) => void) {
    this.#passed = passed;
  }

  start(): void {
    this.#lastMs = performance.now();
    // A timer runs before what others wrote is read, an immediate after.
    this.#timer = setInterval(() => setImmediate(() => this.#look()), lookEveryMs).unref();
  }

  #look(): void {
    const nowMs = performance.now();
    const ms = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (ms < stoodStillMs) this.#passed(ms);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
