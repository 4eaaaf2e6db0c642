import { execFileSync, spawnSync } from 'node:child_process';

const candidates = [process.env['MODELMILE_PYTHON'], 'python3'].filter((path) => path !== undefined);

/** A Python that has a package; undefined on machines without one, where what needs it is skipped. */
export function pythonWith(packageName: string): string | undefined {
  return candidates.find(
    (python) => spawnSync(python, ['-c', `import ${packageName}`], { stdio: 'ignore' }).status === 0,
  );
}

export interface Numbers {
  readonly shape: readonly number[];
  readonly dtype?: string;
  readonly data: readonly number[];
}

export interface Job {
  readonly model: string;
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
