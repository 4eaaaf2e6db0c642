import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerState, ServingSettingsInput } from '../../../serving/contract/index.ts';
import { readServerState } from '../../../serving/contract/index.ts';
import { type FixtureModel, writeFixture } from './models.ts';

const entry = fileURLToPath(new URL('../../../serving/main.ts', import.meta.url));
const startTimeoutMs = 60_000;

export interface TestServer {
  readonly state: ServerState;
  readonly settings: ServingSettingsInput;
  readonly rest: string;
  readonly grpc: string;
  readonly process: ChildProcess;
  /** All that it wrote to standard output and error. */
  log(): string;
  stop(): Promise<void>;
}

/** A server of its own with a repository of fixtures, on free ports of loopback. */
export async function startServer(
  models: Readonly<Record<string, Readonly<Record<number, FixtureModel>>>>,
  overrides: Partial<ServingSettingsInput> = {},
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
  const settingsFile = join(folder, 'settings.json');
  await writeFile(settingsFile, JSON.stringify(settings));
  const child = spawn(process.execPath, ['--import', 'tsx', entry, '--settings', settingsFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk));
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await gone;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const state = await waitForState(stateDir, child, () => output);
    return {
      state,
      settings,
      rest: `http://127.0.0.1:${state.rest.port}`,
      grpc: `127.0.0.1:${state.grpc.port}`,
      process: child,
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
    if (state?.workers.some(({ ready }) => ready)) return state;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server did not start: ${output()}`);
}
