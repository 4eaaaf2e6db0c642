import { spawn } from 'node:child_process';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Stops it early. As from a terminal, SIGINT (Ctrl-C) and SIGKILL go to every process of its group; SIGTERM goes to it alone. */
  readonly interrupt?: {
    /** After so many milliseconds, or as soon as it says this. */
    readonly at: number | RegExp;
    readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL';
  };
}

/** Runs `node <args>` as a user's shell would, and gives what it said. */
export function runNode(
  args: readonly string[],
  { cwd, env, interrupt }: Surroundings,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '', ...env },
      detached: interrupt !== undefined,
    });
    const said = { stdout: '', stderr: '' };
    if (interrupt !== undefined) {
      const { at, signal } = interrupt;
      const pid = child.pid as number;
      const startedMs = Date.now();
      const timer = setInterval(() => {
        const isDue = typeof at === 'number' ? Date.now() - startedMs >= at : at.test(said.stderr);
        if (!isDue) return;
        clearInterval(timer);
        process.kill(signal === 'SIGTERM' ? pid : -pid, signal);
      }, 10);
      child.on('exit', () => clearInterval(timer));
    }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text;
      });
    }
    child.on('close', (code) => resolve({ code: code ?? 1, ...said }));
  });
}
