/**
 * `npx tsx bench/serving/main.ts [--quick] [--only modelmile,fastapi] [--seconds N]`: every server side by side in one run, the same
 * model, the same load generator in a process of its own. Writes docs/reports/serving-bench.json and the page that is drawn from it.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { type Figures, type Form, figuresFile, type Row } from './figures.ts';
import { type Beside, measureBeside, told } from './latency.ts';
import { measure } from './load.ts';
import type { LoadOrder, LoadReport } from './load-generator.ts';
import { type ModelName, models, writeModel } from './models.ts';
import { writePage } from './page.ts';
import { type Server, type ServerName, servers } from './servers.ts';
import { type Contender, start } from './started.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const seconds = Number(options.seconds ?? (options.quick ? 1 : 8));
const chosen = (Object.keys(servers) as ServerName[]).filter(
  (name) => options.only === undefined || options.only.split(',').includes(name),
);
/** Of a single worker. */
const connections = 32;

/** The floor is what ours is held against, and one worker what two are: all are up at once and take turns. Each of the others is up alone. */
function groupsOf(): Contender[][] {
  const together: Contender[] = [
    { name: 'floor', workers: 1, connections: [connections] },
    // The half of them is what each of two workers has.
    { name: 'modelmile', workers: 1, connections: [connections, connections / 2] },
    { name: 'floor', workers: 2, connections: [connections, 2 * connections] },
    { name: 'modelmile', workers: 2, connections: [connections, 2 * connections] },
  ];
  const others = chosen.filter((name) => together.every((each) => each.name !== name));
  return [
    together.filter(({ name }) => chosen.includes(name)),
    ...others.map((name) => [{ name, workers: 1, connections: [connections] }]),
  ];
}

/** Each load is given so often. */
const times = {
  /**
   * With every connection busy, of every server alike; the best counts: what else the machine does only takes away. It does so for
   * seconds on end: half as long and more often meets a calm moment.
   */
  full: 12,
  /** At a share of the capacity: a latency wants its many requests, and the middle of its rounds is no stroke of luck. */
  calm: 9,
};
const say = (text: string): undefined => {
  process.stderr.write(`${text}\n`);
};

const root = await mkdtemp(join(tmpdir(), 'modelmile-bench-models-'));
const paths = Object.fromEntries(
  await Promise.all(
    (Object.keys(models) as ModelName[]).map(async (name) => [name, await writeModel(root, name)]),
  ),
) as Record<ModelName, string>;

/** What a server is started with. */
const at = (model: ModelName) => ({ modelRoot: root, modelPath: paths[model], model });

const rows: Row[] = [];
const missing: string[] = [];

function rowOf(
  name: ServerName,
  model: ModelName,
  form: Form,
  workers: number,
  over: number,
  seen: Omit<LoadReport, 'failure'>,
): Row {
  return {
    server: name,
    model,
    form,
    workers,
    connections: over,
    requestsPerCpuSecond: seen.answered / seen.serverCpuSeconds,
    requestsPerSecond: seen.answered / seen.seconds,
    failed: seen.failed,
  };
}

/** The cheapest of each load. They take turns, so that a busy minute of the machine is not one server's alone. */
async function inTurn(loads: readonly LoadOrder[], times: number): Promise<LoadReport[]> {
  const best: LoadReport[] = [];
  const rate = ({ answered, serverCpuSeconds }: LoadReport) => answered / serverCpuSeconds;
  for (let time = 0; time < times; time++) {
    for (const [index, order] of loads.entries()) {
      const seen = await measure(order);
      const before = best[index];
      if (before === undefined || rate(seen) > rate(before)) best[index] = seen;
    }
  }
  return best;
}

/** Servers started once: each form with every connection busy. */
async function measureServers(contenders: readonly Contender[], model: ModelName) {
  const { started, absent } = await start(contenders, at(model));
  if (model === 'mlp') missing.push(...absent);
  try {
    for (const form of ['json', 'binary'] as const) {
      const able = started.flatMap(({ name, workers, connections, running }) => {
        const request = (servers[name] as Server)[form]?.(model);
        if (request === undefined) return [];
        const [warmUpMs, durationMs] = [Math.max(500, seconds * 250), seconds * 500];
        const { port, pid: serverPid } = running;
        return connections.map((count) => ({
          name,
          workers,
          order: { port, serverPid, request, connections: count, warmUpMs, durationMs, seed: 1 },
        }));
      });
      const full = await inTurn(
        able.map(({ order }) => order),
        times.full,
      );
      for (const [index, { name, workers, order }] of able.entries()) {
        const { failure, ...report } = full[index] as LoadReport;
        const row = rowOf(name, model, form, workers, order.connections, report);
        rows.push(row);
        const failed = row.failed > 0 ? `, ${row.failed} FAILED: ${failure}` : '';
        say(
          `${model} ${form} ${workers} worker(s), ${order.connections} connections  ${servers[name].label}: ${Math.round(row.requestsPerCpuSecond)} requests/CPU-second, ${Math.round(row.requestsPerSecond)}/s${failed}`,
        );
      }
    }
  } finally {
    for (const { running } of started) await running.stop();
  }
}

/** What a measurement in a process of its own prints. */
async function alone<T>(name: string, env: Readonly<Record<string, string>> = {}): Promise<T> {
  const script = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script], {
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout) as T;
}

/** onnxruntime-node alone: rows per CPU second at its best batch, and what of it two such processes keep when they run at once. */
async function raw(model: ModelName): Promise<Figures['raw'][ModelName]> {
  const env = { MODEL: paths[model], TIMES: String(times.full), SECONDS: String(Math.min(seconds / 6, 0.5)) };
  const rates = () => alone<Record<string, number>>('raw', env);
  const [batch, rowsPerCpuSecond] = Object.entries(await rates()).reduce((a, b) => (b[1] > a[1] ? b : a));
  const both = await Promise.all([rates(), rates()]);
  const mean = both.reduce((sum, rate) => sum + (rate[batch] as number), 0) / both.length;
  return { batch: Number(batch), rowsPerCpuSecond, twoKeep: mean / rowsPerCpuSecond };
}

try {
  for (const model of Object.keys(models) as ModelName[]) {
    for (const group of groupsOf()) await measureServers(group, model);
  }
  const single = rows.filter(
    (row) =>
      row.model === 'mlp' && row.form === 'json' && row.workers === 1 && row.connections === connections,
  );
  const ours = single.find(({ server }) => server === 'modelmile');
  const latencies: Beside[] = [];
  for (const other of single) {
    if (ours === undefined || other === ours) continue;
    const beside = await measureBeside(other, ours, at('mlp'), { rounds: times.calm, seconds }).catch(
      (error: Error) => say(`${servers[other.server].label}: ${error.message}`),
    );
    if (beside === undefined) continue;
    say(
      `${servers[other.server].label}: p99 ${told(beside.other)}; modelmile beside it: ${told(beside.ours)}`,
    );
    latencies.push(beside);
  }
  const figures: Figures = {
    command: `npx tsx bench/serving/main.ts --seconds ${seconds}`,
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim(),
    machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    loadAverage: loadavg()[0] ?? 0,
    times,
    seconds,
    raw: { mlp: await raw('mlp'), wide: await raw('wide') },
    scanner: await alone('scanner'),
    missing,
    rows,
    latencies,
  };
  // A run of a second, or of some servers only, is for who works on it: it replaces nobody's figures.
  if (options.quick || options.only !== undefined)
    process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  else {
    await writeFile(figuresFile, `${JSON.stringify(figures, null, 2)}\n`);
    await writePage(figures);
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
