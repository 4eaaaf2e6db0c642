import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CliError } from '../errors.ts';
import { typescriptLoader } from '../paths.ts';
import type { Rows } from './record.ts';
import type { Scored, ScorerStart } from './scorer.ts';
import type { FromScorer, ToScorer } from './worker.ts';

const entry = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** One process, one task at a time. */
class Member {
  readonly #child: ChildProcess;
  #settle: { resolve(message: FromScorer): void; reject(error: Error): void } | undefined;
  readonly ready: Promise<FromScorer>;
  isBusy = true;

  constructor(start: ScorerStart) {
    this.#child = fork(entry, [], {
      // However this process came to run TypeScript.
      execArgv: ['--import', typescriptLoader],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: FromScorer) => {
      if (message.type === 'failed')
        this.#settle?.reject(new CliError('CLI_SCORING_FAILED', message.message));
      else this.#settle?.resolve(message);
    });
    const lost = () =>
      this.#settle?.reject(new CliError('CLI_SCORING_FAILED', 'A scoring process ended unasked.'));
    this.#child.once('exit', lost);
    this.#child.once('error', lost);
    this.ready = this.ask({ type: 'start', ...start });
  }

  ask(message: ToScorer): Promise<FromScorer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#child.send(message, (error) => error && reject(error));
    });
  }

  stop(): void {
    this.#child.removeAllListeners('exit');
    this.#child.disconnect();
  }
}

/** Processes that score side by side, each with a session of its own; as many as there is work for, at most `size`. */
export class Team {
  readonly #start: ScorerStart;
  readonly #size: number;
  readonly #members: Member[] = [];
  #free: (() => void) | undefined;

  constructor(start: ScorerStart, size: number) {
    this.#start = start;
    this.#size = size;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Resolves when somebody is free to begin; `scored` when it is done. @throws CliError CLI_SCORING_FAILED */
  async hand(rows: Rows, firstRow: number): Promise<{ readonly scored: Promise<Scored> }> {
    const member = await this.#idle();
    member.isBusy = true;
    const scored = this.#work(member, rows, firstRow);
    scored.catch(() => {});
    return { scored };
  }

  async #idle(): Promise<Member> {
    for (;;) {
      const idle = this.#members.find(({ isBusy }) => !isBusy);
      if (idle !== undefined) return idle;
      if (this.#members.length < this.#size) {
        const member = new Member(this.#start);
        this.#members.push(member);
        return member;
      }
      await new Promise<void>((resolve) => {
        this.#free = resolve;
      });
    }
  }

  async #work(member: Member, rows: Rows, firstRow: number): Promise<Scored> {
    try {
      await member.ready;
      return (await member.ask({ type: 'rows', rows, firstRow })) as Extract<FromScorer, { type: 'scored' }>;
    } finally {
      member.isBusy = false;
      this.#free?.();
    }
  }

  stop(): void {
    for (const member of this.#members) member.stop();
  }
}
