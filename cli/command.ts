import type { Terminal } from './terminal.ts';

/** One option of a subcommand, as node:util's parseArgs takes it, with what `--help` says. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  readonly default?: string | boolean;
  readonly help: string;
  /** Placeholder of the value in `--help`. */
  readonly value?: string;
}

/** What a subcommand gets: its arguments, and the terminal to speak to. */
export interface Invocation {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | string[] | undefined>>;
  /** Everything after `--`, handed on as it is (to Pulumi, for example). */
  readonly rest: readonly string[];
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C; a second one ends the process at once. */
  readonly signal: AbortSignal;
}

/** A subcommand of `modelmile`: a file in commands/ and a row in commands/index.ts. */
export interface Command {
  /** Positional arguments as `--help` shows them, for example `<model> [--out DIR]`. */
  readonly usage: string;
  readonly details?: string;
  readonly examples: readonly string[];
  readonly minPositionals: number;
  readonly maxPositionals: number;
  readonly options: Readonly<Record<string, Option>>;
  /** @returns the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** Exit codes, the same for every subcommand. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;
