import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { requestBytes } from './load.ts';
import { type ModelName, row } from './models.ts';

const here = fileURLToPath(new URL('./', import.meta.url));
const checkout = join(here, '..', '..');
const peersFolder = process.env['MODELMILE_PEERS'] ?? join(checkout, '.modelmile', 'peers');
const startTimeoutMs = 120_000;

/** What a server is started with. */
export interface Start {
  readonly modelRoot: string;
  readonly modelPath: string;
  readonly model: ModelName;
  readonly workers: number;
}

export interface Running {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** A row of the comparison. */
export interface Server {
  readonly label: string;
  /** How requests look, as the load generator takes them; undefined where the server has no such form. */
  readonly json: (model: ModelName) => string;
  readonly binary?: (model: ModelName) => string;
  /** Undefined where it is not installed. */
  start(start: Start): Promise<Running | undefined>;
}

const numbers = row.map((value) => value.toFixed(4)).join(',');
const raw = Buffer.from(Float32Array.from(row).buffer);
const json = { 'content-type': 'application/json' };
const instances = (path: string) => requestBytes(path, Buffer.from(`{"instances":[[${numbers}]]}`), json);

function openInferenceJson(path: string): string {
  const input = `{"name":"x","shape":[1,784],"datatype":"FP32","data":[${numbers}]}`;
  return requestBytes(path, Buffer.from(`{"inputs":[${input}]}`), json);
}

function openInferenceBinary(path: string): string {
  const input = {
    name: 'x',
    shape: [1, 784],
    datatype: 'FP32',
    parameters: { binary_data_size: raw.length },
  };
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  return requestBytes(path, Buffer.concat([head, raw]), {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(head.length),
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Starts a program and waits until it answers `request` with 200. */
async function launch(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  request: string,
): Promise<Running> {
  const port = await freePort();
  const child = spawn(command, args, {
    cwd: checkout,
    env: { ...process.env, OMP_NUM_THREADS: '1', ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk).slice(-4000);
    });
  }
  await untilAnswers(child, port, request, () => output);
  return { pid: child.pid as number, port, stop: () => stop(child) };
}

async function untilAnswers(
  child: ChildProcess,
  port: number,
  request: string,
  output: () => string,
): Promise<void> {
  const text = Buffer.from(request, 'base64');
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.toString('latin1', 0, end).split('\r\n');
  const headers = Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]));
  const until = Date.now() + startTimeoutMs;
  let last = '';
  while (Date.now() < until && child.exitCode === null) {
    try {
      const path = first.split(' ')[1];
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers,
        body: text.subarray(end + 4),
      });
      last = `${answer.status} ${(await answer.text()).slice(0, 500)}`;
      if (answer.status === 200) return;
    } catch (error) {
      last = String((error as Error).cause ?? error);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await stop(child);
  throw new Error(`it did not answer: ${last}\n${output()}`);
}

/** Ends the process group that `launch` started, first kindly. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid, 'SIGTERM');
  const force = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), 10_000);
  await gone;
  clearTimeout(force);
}

let code: Promise<string> | undefined;

/** What the image runs: the sources without their types, compiled by nothing. */
function imageCode(): Promise<string> {
  code ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelmile-bench-code-'));
    const made = join(checkout, 'toolchain', 'image', 'code.mjs');
    await promisify(execFile)(process.execPath, [made, checkout, folder]);
    await symlink(join(checkout, 'node_modules'), join(folder, 'app', 'node_modules'));
    return join(folder, 'app');
  })();
  return code;
}

function peer(name: string, label: string, forms: Pick<Server, 'json' | 'binary'>): Server {
  return {
    label,
    ...forms,
    async start({ modelPath, model, workers }) {
      const python = join(peersFolder, name, 'bin', 'python');
      if (!existsSync(python) || workers > 1) return undefined;
      return launch(
        python,
        [join(here, 'peers', name, 'server.py')],
        { MODEL: modelPath },
        forms.json(model),
      );
    },
  };
}

const node = ['--import', 'tsx'];

export const servers = {
  floor: {
    label: 'floor: Node takes the body, answers',
    json: () => instances('/predict'),
    binary: () => openInferenceBinary('/predict'),
    start({ workers }) {
      const env = { WORKERS: String(workers) };
      return launch(process.execPath, [...node, join(here, 'floor.ts')], env, instances('/predict'));
    },
  },
  modelmile: {
    label: 'modelmile',
    json: (model) => instances(`/v1/models/${model}:predict`),
    binary: (model) => openInferenceBinary(`/v2/models/${model}/infer`),
    async start({ modelRoot, model, workers }) {
      const folder = await mkdtemp(join(tmpdir(), 'modelmile-bench-'));
      const stateDir = join(folder, 'state');
      await mkdir(stateDir);
      const port = await freePort();
      const free = { host: '127.0.0.1', port: 0 };
      const settings = {
        modelRoot,
        stateDir,
        models: [{ name: model }],
        workers,
        // As everybody here: more of them answer sooner, at more processor time each.
        threads: 1,
        rest: { host: '127.0.0.1', port },
        grpc: free,
        management: free,
        logLevel: 'error',
      };
      const file = join(folder, 'settings.json');
      await writeFile(file, JSON.stringify(settings));
      const child = spawn(process.execPath, ['serving/main.js', '--settings', file], {
        cwd: await imageCode(),
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
      });
      await untilAnswers(child, port, instances(`/v1/models/${model}:predict`), () => '');
      return { pid: child.pid as number, port, stop: () => stop(child) };
    },
  },
  fastapi: peer('fastapi', 'FastAPI + orjson + onnxruntime', {
    json: () => instances('/predict'),
    binary: () => requestBytes('/binary', raw, { 'content-type': 'application/octet-stream' }),
  }),
  pytriton: peer('pytriton', 'PyTriton', {
    json: () => openInferenceJson('/v2/models/mlp/infer'),
    binary: () => openInferenceBinary('/v2/models/mlp/infer'),
  }),
  // MLServer does not take binary tensors.
  mlserver: peer('mlserver', 'MLServer', { json: () => openInferenceJson('/v2/models/mlp/infer') }),
  bentoml: peer('bentoml', 'BentoML', {
    json: () => requestBytes('/predict', Buffer.from(`{"instances":[[${numbers}]]}`), json),
  }),
  litserve: peer('litserve', 'LitServe', { json: () => instances('/predict') }),
} as const satisfies Record<string, Server>;
export type ServerName = keyof typeof servers;
