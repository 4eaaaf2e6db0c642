import type { Command } from '../command.ts';

interface Row {
  readonly summary: string;
  /** Loaded when it is run: a command never pays for another's dependencies. */
  load(): Promise<Command>;
}

/** Every subcommand. A new one is a file here and its row. */
export const commands = {
  'feedback export': {
    summary: "write the users' feedback, joined with what it is about, as a labelled data set",
    load: async () => (await import('./feedback-export.ts')).feedbackExport,
  },
} as const satisfies Record<string, Row>;
