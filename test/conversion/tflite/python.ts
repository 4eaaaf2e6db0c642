import { execFileSync } from 'node:child_process';

export { pythonWith } from '../reference/python.ts';

export interface Numbers {
  readonly shape: readonly number[];
  readonly dtype?: string;
  readonly data: readonly number[];
}

export interface Job {
  readonly model: string;
  /** By the interpreter's own kernels, without XNNPACK, which rounds in another order. */
  readonly isPlain?: boolean;
  readonly inputs: Readonly<Record<string, Numbers>>;
}

export type Answer = { outputs?: Record<string, Numbers>; error?: string };

/** Runs .tflite files with the real interpreter, all in one process. */
export function interpret(python: string, jobs: readonly Job[]): Answer[] {
  const script = new URL('./interpreter.py', import.meta.url).pathname;
  const output = execFileSync(python, [script], {
    input: JSON.stringify(jobs),
    maxBuffer: 2 ** 30,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return JSON.parse(output.toString()) as Answer[];
}
