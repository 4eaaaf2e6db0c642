import { Agent, request } from 'undici';

/** What happened to one request. */
export interface Outcome {
  /** When it was due, on `performance.now()`'s clock. */
  readonly dueMs: number;
  readonly endedMs: number;
  /** Empty where the answer was the right one. */
  readonly fault: string;
}

export interface OpenLoopTarget {
  readonly url: string;
  /** The body of the n-th request. */
  bodyOf(n: number): string;
  /** Whether the answer is one that the n-th request may get. */
  isRight(n: number, answer: unknown): boolean;
}

const answerTimeoutMs = 20_000;

/**
 * Requests at a fixed rate, whether or not the ones before were answered, as users are: a server that stalls gets no pause, and the
 * time a request waits to be sent counts. Loopback only.
 */
export class OpenLoop {
  readonly outcomes: Outcome[] = [];
  readonly #target: OpenLoopTarget;
  readonly #agent: Agent;
  readonly #startedMs = performance.now();
  readonly #intervalMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #pending = new Set<Promise<void>>();
  #sent = 0;

  constructor(target: OpenLoopTarget, requestsPerSecond: number, connections: number) {
    this.#target = target;
    this.#intervalMs = 1000 / requestsPerSecond;
    this.#agent = new Agent({
      connections,
      pipelining: 1,
      bodyTimeout: answerTimeoutMs,
      headersTimeout: answerTimeoutMs,
    });
    this.#timer = setInterval(() => this.#sendDue(), 2);
  }

  #sendDue(): void {
    const due = (performance.now() - this.#startedMs) / this.#intervalMs;
    while (this.#sent < due) {
      const n = this.#sent++;
      const done = this.#send(n, this.#startedMs + n * this.#intervalMs);
      this.#pending.add(done);
      void done.then(() => this.#pending.delete(done));
    }
  }

  async #send(n: number, dueMs: number): Promise<void> {
    let fault = '';
    try {
      const response = await request(this.#target.url, {
        method: 'POST',
        body: this.#target.bodyOf(n),
        dispatcher: this.#agent,
      });
      const text = await response.body.text();
      if (response.statusCode !== 200) fault = `${response.statusCode} ${text.slice(0, 200)}`;
      else if (!this.#target.isRight(n, JSON.parse(text))) fault = `wrong answer: ${text.slice(0, 200)}`;
    } catch (error) {
      fault = (error as { code?: string }).code ?? String(error);
    }
    this.outcomes.push({ dueMs, endedMs: performance.now(), fault });
  }

  /** Sends no more; resolves when all are answered. */
  async stop(): Promise<readonly Outcome[]> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    // Stopped twice, where a test stops it both at its end and on its way out.
    if (!this.#agent.destroyed) await this.#agent.close();
    return this.outcomes;
  }
}

/** Faults by their text, with how often each came. */
export function faultsOf(outcomes: readonly Outcome[]): Record<string, number> {
  const faults: Record<string, number> = {};
  for (const { fault } of outcomes) if (fault !== '') faults[fault] = (faults[fault] ?? 0) + 1;
  return faults;
}

/** `y = factor * (x0 + x1)` of the model `scaledSum`: numbers that tell each request's answer from every other's. */
export function sumsTarget(rest: string, factors: readonly number[]): OpenLoopTarget {
  const numbersOf = (n: number) => [n % 4096, (n * 7) % 1024] as const;
  return {
    url: `${rest}/v1/models/sums:predict`,
    bodyOf: (n) => JSON.stringify({ instances: [numbersOf(n)] }),
    isRight(n, answer) {
      const [a, b] = numbersOf(n);
      const value = (answer as { predictions?: number[][] }).predictions?.[0]?.[0];
      return factors.some((factor) => value === factor * (a + b));
    },
  };
}
