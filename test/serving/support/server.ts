import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerState, ServingSettingsInput } from '../../../serving/contract/index.ts';
import { readServerState } from '../../../serving/contract/index.ts';
import { type FixtureModel, writeFixture } from './models.ts';

/** The server as the checkout starts it: compiled once, its workers too. */
const entry = fileURLToPath(new URL('../../../toolchain/bin/serve.mjs', import.meta.url));
const startTimeoutMs = 60_000;

export interface TestServer {
  readonly state: ServerState;
  readonly settings: ServingSettingsInput;
  readonly rest: string;
  readonly grpc: string;
  readonly process: ChildProcess;
  /** Resolves with the exit code when the process is gone. */
  readonly ended: Promise<number | null>;
  /** All that it wrote to standard output and error. */
  log(): string;
  /** Lets it drain; its files are gone afterwards. */
  stop(): Promise<void>;
}

/** A server of its own with a repository of fixtures, on free ports of loopback. `openFiles`: so many that each of its processes may open. */
export async function startServer(
  models: Readonly<Record<string, Readonly<Record<number, FixtureModel>>>>,
  overrides: Partial<ServingSettingsInput> = {},
  env: NodeJS.ProcessEnv = {},
  openFiles?: number,
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-test-'));
  const modelRoot = join(folder, 'models');
  const stateDir = join(folder, 'state');
  await mkdir(stateDir, { recursive: true });
  for (const [name, versions] of Object.entries(models)) {
    for (const [version, fixture] of Object.entries(versions))
      await writeFixture(modelRoot, name, Number(version), fixture);
  }
  const free = { host: '127.0.0.1', port: 0 };
  const settings: ServingSettingsInput = {
    modelRoot,
    stateDir,
    rest: free,
    grpc: free,
    management: free,
    workers: 1,
    logLevel: 'error',
    ...overrides,
  };
  return run(settings, env, openFiles);
}

/** The same settings and files again, after the process is gone; the ports may be others. */
export async function restartServer(
  { settings, ended }: TestServer,
  env: NodeJS.ProcessEnv = {},
): Promise<TestServer> {
  await ended;
  return run(settings, env);
}

async function run(
  settings: ServingSettingsInput,
  env: NodeJS.ProcessEnv,
  openFiles?: number,
): Promise<TestServer> {
  const folder = dirname(settings.stateDir);
  const settingsFile = join(folder, 'settings.json');
  await writeFile(settingsFile, JSON.stringify(settings));
  const command = [process.execPath, entry, '--settings', settingsFile];
  const limited = ['sh', '-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh', ...command];
  const [program = '', ...args] = openFiles === undefined ? command : limited;
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const state = await waitForState(settings.stateDir, child, () => output);
    return {
      state,
      settings,
      rest: `http://127.0.0.1:${state.rest.port}`,
      grpc: `127.0.0.1:${state.grpc.port}`,
      process: child,
      ended,
      log: () => output,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function waitForState(
  stateDir: string,
  child: ChildProcess,
  output: () => string,
): Promise<ServerState> {
  const until = Date.now() + startTimeoutMs;
  while (Date.now() < until && child.exitCode === null) {
    const state = await readServerState(stateDir).catch(() => undefined);
    if (state?.pid === child.pid && state?.workers.some(({ ready }) => ready)) return state;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server did not start: ${output()}`);
}
