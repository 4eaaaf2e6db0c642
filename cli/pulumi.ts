import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePulumi } from '../toolchain/pulumi-cli.mjs';
import { backendFolder, pulumiEnvironment } from '../toolchain/pulumi-environment.mjs';
import { removeCutOffAttributes } from './cut-off-state.ts';
import { CliError } from './errors.ts';
import { projectRoot } from './paths.ts';
import { assertStack } from './stack-file.ts';
import { isHeldByTheDead } from './stack-lock.ts';
import type { Terminal } from './terminal.ts';

/** How a Pulumi command ended, with everything it said. */
export interface PulumiResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PulumiCall {
  /** Shows what Pulumi says as it says it, or hands it over. */
  readonly show: boolean | ((text: string) => void);
  readonly env?: Readonly<Record<string, string>>;
}

/** The environment and the folder of the CLI for a stack; gets the CLI where it is missing. */
export async function pulumiSetup(stack: string, terminal: Terminal) {
  const { folder, version } = await ensurePulumi((line: string) => terminal.progress(line));
  return { folder, version, env: pulumiEnvironment(stack, folder) as Record<string, string> };
}

/** Where a stack's state lies in a backend of files. */
function stateFile(stack: string, env: Readonly<Record<string, string>>): string {
  const { PULUMI_BACKEND_URL: url } = {
    ...pulumiEnvironment(stack, ''),
    ...process.env,
    ...env,
  } as NodeJS.ProcessEnv;
  return join(backendFolder(url) ?? '', '.pulumi', 'stacks', 'modelmile', `${stack}.json`);
}

/** `stack init NAME` takes its stack as an argument, everything else as a flag; what follows `--` stays last. */
function withStack(args: readonly string[], stack: string): string[] {
  return args[0] === 'stack' && args[1] === 'init' ? [...args] : [...args, '--stack', stack];
}

/** Other processes hold the stack: Pulumi's own words for it. */
const lockedPattern = /the stack is currently locked by/;

/** What `destroy` asks its user to do next, and `modelmile down` does by itself. */
const takenCareOf =
  /^(The resources in the stack have been deleted|If you want to remove the stack completely).*\n?/gm;

/** Runs the CLI once. */
function run(
  binary: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  show: PulumiCall['show'],
): Promise<PulumiResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { cwd: projectRoot, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text;
        if (typeof show === 'function') show(text);
        else if (show) process.stderr.write(text.replaceAll(takenCareOf, ''));
      });
    }
    // A Ctrl-C reaches Pulumi by itself; to a kill of this process alone it would not listen.
    const cancel = () => child.kill('SIGINT');
    process.on('SIGTERM', cancel);
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGTERM', cancel);
      resolve({ code: code ?? 1, ...said });
    });
  });
}

/**
 * Runs `pulumi <args> --stack <stack>` in the checkout.
 * @throws CliError CLI_STACK_UNKNOWN, CLI_STACK_LOCKED
 */
export async function pulumi(
  stack: string,
  args: readonly string[],
  terminal: Terminal,
  { show, env = {} }: PulumiCall,
): Promise<PulumiResult> {
  assertStack(stack);
  const setup = await pulumiSetup(stack, terminal);
  const whole: NodeJS.ProcessEnv = { ...process.env, ...setup.env, ...env };
  const backend = backendFolder(whole['PULUMI_BACKEND_URL']);
  if (backend !== undefined) {
    await mkdir(backend, { recursive: true });
    await removeCutOffAttributes(backend);
  }
  const call = (words: readonly string[], shown: PulumiCall['show']) =>
    run(join(setup.folder, 'pulumi'), [...withStack(words, stack), '--non-interactive'], whole, shown);

  const result = await call(args, show);
  if (!lockedPattern.test(result.stdout + result.stderr)) return result;
  if (backend === undefined || !(await isHeldByTheDead(backend, stack))) {
    throw new CliError('CLI_STACK_LOCKED', `Another command is changing the stack '${stack}' right now.`);
  }
  terminal.progress(`the command that held the stack '${stack}' was killed: going on from where it was`);
  await call(['cancel', '--yes'], false);
  return call(args, show);
}

/** Creates the stack where it is not there yet. */
export async function ensureStack(
  stack: string,
  terminal: Terminal,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  if (existsSync(stateFile(stack, env))) return;
  const { code, stderr } = await pulumi(stack, ['stack', 'init', stack], terminal, { show: false, env });
  if (code !== 0 && !/already exists/.test(stderr))
    throw new CliError(
      'CLI_PULUMI_FAILED',
      `Pulumi could not make the stack '${stack}': ${stderr.trim().replace(/^error: /, '')}`,
    );
}

/** What the stack gives out, secrets masked; undefined with no `--json` to show it in. */
export async function stackOutputs(
  stack: string,
  terminal: Terminal,
  env: Readonly<Record<string, string>>,
): Promise<unknown> {
  if (!terminal.json) return undefined;
  const { stdout } = await pulumi(stack, ['stack', 'output', '--json'], terminal, { show: false, env });
  return JSON.parse(stdout);
}

/** Whether a stack has any state. */
export async function stackExists(stack: string, terminal: Terminal): Promise<boolean> {
  const { code } = await pulumi(stack, ['stack', 'history', '--page-size', '1', '--json'], terminal, {
    show: false,
  });
  return code === 0;
}
