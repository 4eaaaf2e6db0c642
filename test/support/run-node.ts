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
  readonly interrupt?: { readonly afterMs: number; readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' };
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
    if (interrupt !== undefined) {
      const pid = child.pid as number;
      const target = interrupt.signal === 'SIGTERM' ? pid : -pid;
      const timer = setTimeout(() => process.kill(target, interrupt.signal), interrupt.afterMs);
      child.on('exit', () => clearTimeout(timer));
    }
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text;
      });
    }
    child.on('close', (code) => resolve({ code: code ?? 1, ...said }));
  });
}
