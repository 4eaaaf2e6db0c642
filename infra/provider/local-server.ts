import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  applySettings,
  drainServer,
  isAlive,
  readServerState,
  type ServerState,
  type ServingSettingsInput,
} from '../../serving/contract/index.ts';
import { home, project } from './project.ts';
import type { Props, ResourceKind } from './resource-kind.ts';

/** Until a new server answers, models loaded and warmed up. */
const startTimeoutMs = 120_000;
const applyTimeoutMs = 120_000;
const pollMs = 50;

const settingsPath = join(home.stateDir, 'settings.json');
const logPath = join(home.stateDir, 'server.log');

interface Served {
  readonly name: string;
  readonly version: number;
  readonly digest: string;
}

const portKeys = ['restPort', 'grpcPort', 'managementPort'];

const refusal = (message: string) => Object.assign(new Error(message), { code: 'LOCAL_SERVER' });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function settingsOf(inputs: Props): ServingSettingsInput {
  const port = (key: string) => ({ port: Number(inputs[key]) });
  return {
    modelRoot: home.modelRoot,
    stateDir: home.stateDir,
    models: (inputs['models'] as Served[]).map(({ name, version }) => ({
      name,
      versionPolicy: { specific: [Number(version)] },
    })),
    rest: port('restPort'),
    grpc: port('grpcPort'),
    management: port('managementPort'),
    workers: Number(inputs['workers'] ?? 0),
    recordInputs: inputs['recordInputs'] === true,
  };
}

async function saveSettings(settings: ServingSettingsInput): Promise<void> {
  await mkdir(home.stateDir, { recursive: true });
  await writeFile(settingsPath, `${JSON.stringify(settings, null, 2)}\n`);
}

/** What a server that did not start said last: its one line for people. */
async function lastWords(): Promise<string> {
  const lines = (await readFile(logPath, 'utf8').catch(() => '')).trim().split('\n');
  return lines.findLast((line) => /^[A-Z_]+: /.test(line)) ?? lines.at(-1) ?? 'it said nothing';
}

/** Starts the supervisor as a process of its own: the engine ends the provider's process group. */
async function start(settings: ServingSettingsInput): Promise<ServerState> {
  await saveSettings(settings);
  const log = await open(logPath, 'w');
  const entry = join(project, 'toolchain', 'bin', 'serve.mjs');
  const child = spawn(process.execPath, [entry, '--settings', settingsPath], {
    cwd: project,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.unref();
  await log.close();
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  const deadline = Date.now() + startTimeoutMs;
  while (Date.now() < deadline) {
    const state = await readServerState(home.stateDir).catch(() => undefined);
    if (state !== undefined && state.pid === child.pid) return state;
    if (ended) throw refusal(`The server did not start. ${await lastWords()} (log: ${logPath})`);
    await sleep(pollMs);
  }
  child.kill('SIGKILL');
  throw refusal(`The server was not ready within ${startTimeoutMs / 1000} s (log: ${logPath}).`);
}

/** Which settings of the stack choose the ports, where one of them is taken. */
function withPortKeys(error: Error): never {
  if (!error.message.includes('Cannot listen on port')) throw error;
  const keys = portKeys.map((key) => `modelmile:${key}`).join(', ');
  throw refusal(`${error.message} The ports are settings in Pulumi.<stack>.yaml: ${keys}.`);
}

/** Brings the running server, or a new one, to settings. */
async function bring(settings: ServingSettingsInput): Promise<void> {
  const running = await readServerState(home.stateDir);
  if (running === undefined) await start(settings);
  else {
    await applySettings(home.stateDir, settings, applyTimeoutMs);
    await saveSettings(settings);
  }
}

async function serve(inputs: Props): Promise<Props> {
  await bring(settingsOf(inputs)).catch(withPortKeys);
  const base = `http://127.0.0.1:${inputs['restPort']}`;
  return {
    ...inputs,
    endpoint: base,
    console: `${base}/console`,
    metrics: `http://127.0.0.1:${inputs['managementPort']}/metrics`,
  };
}

/** What the server really serves, as inputs: a difference to the state is drift. */
function actualModels(state: ServerState): Served[] {
  return state.models.flatMap(({ name, versions }) =>
    versions
      .filter((version) => version.state === 'AVAILABLE')
      .map(({ version, digest }) => ({ digest, name, version })),
  );
}

/** LocalServer: see infra/service/local-server.ts. */
export const localServer: ResourceKind = {
  replaceOn: [],

  async check(_olds, news) {
    const twice = portKeys.find((key, i) => portKeys.findIndex((other) => news[other] === news[key]) !== i);
    const failures =
      twice === undefined
        ? []
        : [{ property: twice, reason: `port ${news[twice]} is asked for twice: choose another` }];
    return { inputs: news, failures };
  },

  create: async (inputs) => ({ id: 'local', outs: await serve(inputs) }),

  update: (_olds, news) => serve(news),

  async read(_id, props) {
    const state = await readServerState(home.stateDir);
    return state === undefined || state.draining ? undefined : { ...props, models: actualModels(state) };
  },

  async delete() {
    const state = await readServerState(home.stateDir);
    if (state === undefined) return;
    await drainServer(home.stateDir);
    const deadline = Date.now() + 40_000;
    while (isAlive(state.pid)) {
      if (Date.now() > deadline) process.kill(state.pid, 'SIGKILL');
      await sleep(pollMs);
    }
    await rm(settingsPath, { force: true });
  },
};
