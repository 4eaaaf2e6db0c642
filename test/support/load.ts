import { Agent, request } from 'undici';

/** What a load run saw: every answer is checked against what the model must say. */
export interface LoadResult {
  readonly answered: number;
  readonly failures: readonly string[];
}

/** Keeps `connections` requests going until it is stopped. Loopback only. */
export class Load {
  #stopped = false;
  readonly #done: Promise<LoadResult>;

  constructor(url: string, body: string, connections: number, isRight: (answer: unknown) => boolean) {
    this.#done = this.#run(url, body, connections, isRight);
  }

  async #run(
    url: string,
    body: string,
    connections: number,
    isRight: (answer: unknown) => boolean,
  ): Promise<LoadResult> {
    const agent = new Agent({ connections, pipelining: 1 });
    const failures: string[] = [];
    let answered = 0;
    const client = async () => {
      while (!this.#stopped) {
        try {
          const response = await request(url, { method: 'POST', body, dispatcher: agent });
          const text = await response.body.text();
          if (response.statusCode === 200 && isRight(JSON.parse(text))) answered += 1;
          else failures.push(`${response.statusCode} ${text.slice(0, 200)}`);
        } catch (error) {
          failures.push(String(error));
        }
        // Leaves the one core of a small machine some air.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await Promise.all(Array.from({ length: connections }, client));
    await agent.close();
    return { answered, failures };
  }

  stop(): Promise<LoadResult> {
    this.#stopped = true;
    return this.#done;
  }
}

/** Resolves when `condition` holds. @throws Error after `timeoutMs` */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
