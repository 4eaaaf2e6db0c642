import type * as z from 'zod';

/** One key of Pulumi.<stack>.yaml: what may stand there, and what a change does. */
export interface SettingRow {
  readonly schema: z.ZodType;
  /** What it is for, one sentence. */
  readonly help: string;
  /** What is replaced, restarted or only updated when it changes. */
  readonly change: string;
}
