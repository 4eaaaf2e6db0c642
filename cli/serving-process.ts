import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readServerState, type ServerState, type ServingSettingsInput } from '../serving/contract/index.ts';
import { CliError, type CliErrorCode } from './errors.ts';
import { projectRoot } from './paths.ts';

/** A server in the foreground of this command. */
export interface ServingProcess {
  readonly state: ServerState;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
  /** Lets it finish what is in flight. */
  drain(): void;
}

const codeOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));

/** What a server that did not start said for people: the last line that begins with a code, and what follows it. */
function lastWords(said: string): string {
  const lines = said.trim().split('\n');
  const from = lines.findLastIndex((line) => /^[A-Z_]+: /.test(line));
  return lines.slice(Math.max(from, 0)).join('\n') || 'The server ended without a word.';
}

/** What `modelmile serve` can do about what its server says. */
const waysOut: Readonly<Record<string, CliErrorCode>> = {
  SERVING_PORT_IN_USE: 'CLI_PORT_TAKEN',
  SERVING_ALREADY_RUNNING: 'CLI_SERVED_ALREADY',
};

function refusal(said: string): CliError {
  const words = lastWords(said);
  return new CliError(waysOut[words.split(':', 1)[0] as string] ?? 'CLI_SERVER_FAILED', words);
}

/** Starts the service and waits until it answers. @throws CliError with what it said where it does not start */
export async function startServing(settings: ServingSettingsInput): Promise<ServingProcess> {
  await mkdir(settings.stateDir, { recursive: true });
  const path = join(settings.stateDir, 'settings.json');
  await writeFile(path, JSON.stringify(settings, null, 2));
  const child = spawn(
    process.execPath,
    [join(projectRoot, 'toolchain', 'bin', 'serve.mjs'), '--settings', path, '--with-parent'],
    {
      // A group of its own: Ctrl-C reaches this command, which then drains the server.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    },
  );
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const ended = codeOf(child);
  const ready = new Promise<true>((resolve) => child.once('message', () => resolve(true)));
  const state =
    (await Promise.race([ready, ended])) === true ? await readServerState(settings.stateDir) : undefined;
  if (state === undefined) throw refusal(said);
  process.once('exit', () => child.kill('SIGTERM'));
  return { state, ended, drain: () => child.kill('SIGTERM') };
}
