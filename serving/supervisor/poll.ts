/** Does something again and again, with a pause between the end of one time and the start of the next. */
export class Poll {
  readonly #work: () => Promise<unknown>;
  #timer: NodeJS.Timeout | undefined;

  constructor(work: () => Promise<unknown>) {
    this.#work = work;
  }

  /** The next time is so many seconds from now; 0 = never. */
  start(seconds: number): void {
    this.stop();
    if (seconds > 0) this.#timer = setTimeout(() => void this.#work(), seconds * 1000).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
