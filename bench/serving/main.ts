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
import { measure } from './load.ts';
import type { LoadOrder, LoadReport } from './load-generator.ts';
import { type ModelName, models, writeModel } from './models.ts';
import { writePage } from './page.ts';
import { untilIdle } from './process-cpu.ts';
import { type Running, type Server, type ServerName, servers } from './servers.ts';

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

/** A server with so many workers, asked over so many connections in turn: with fewer for each worker, fewer requests share its turns. */
interface Contender {
  readonly name: ServerName;
  readonly workers: number;
  readonly connections: readonly number[];
}

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

/** Share of its own capacity at which a server's latency is looked at. */
const openLoopShare = 0.3;
/**
 * Each load is given so often, and the best of it counts, of every server alike: what else the machine does only takes away. It does so
 * for seconds on end: with every connection busy, half as long and more often meets a calm moment; a latency wants its many requests.
 */
const times = { full: 12, calm: 5 };
const say = (text: string) => process.stderr.write(`${text}\n`);

const root = await mkdtemp(join(tmpdir(), 'modelmile-bench-models-'));
const paths = Object.fromEntries(
  await Promise.all(
    (Object.keys(models) as ModelName[]).map(async (name) => [name, await writeModel(root, name)]),
  ),
) as Record<ModelName, string>;

const rows: Row[] = [];
const missing: string[] = [];

function rowOf(
  name: ServerName,
  model: ModelName,
  form: Form,
  workers: number,
  over: number,
  seen: LoadReport,
): Row {
  return {
    server: name,
    model,
    form,
    workers,
    connections: over,
    requestsPerCpuSecond: seen.answered / seen.serverCpuSeconds,
    requestsPerSecond: seen.answered / seen.seconds,
    p50Ms: seen.p50,
    p99Ms: seen.p99,
    failed: seen.failed,
  };
}

/** The best of each load. They take turns, so that a busy minute of the machine is not one server's alone. */
async function inTurn(
  loads: readonly LoadOrder[],
  times: number,
  isBetter: (a: LoadReport, b: LoadReport) => boolean,
): Promise<LoadReport[]> {
  const best: LoadReport[] = [];
  for (let time = 0; time < times; time++) {
    for (const [index, order] of loads.entries()) {
      const seen = await measure(order);
      const before = best[index];
      if (before === undefined || isBetter(seen, before)) best[index] = seen;
    }
  }
  return best;
}

const isCheaper = (a: LoadReport, b: LoadReport) =>
  a.answered / a.serverCpuSeconds > b.answered / b.serverCpuSeconds;
const isSooner = (a: LoadReport, b: LoadReport) => a.p99 < b.p99;

/** Starts those that are installed; who does not start is told of. */
async function start(contenders: readonly Contender[], model: ModelName) {
  const started: (Contender & { readonly running: Running })[] = [];
  for (const contender of contenders) {
    const { name, workers } = contender;
    const running = await (servers[name] as Server)
      .start({ modelRoot: root, modelPath: paths[model], model, workers })
      .catch((error: Error) => {
        say(`${model}  ${servers[name].label}: ${error.message}`);
        return undefined;
      });
    if (running) started.push({ ...contender, running });
    else if (model === 'mlp') missing.push(name);
  }
  for (const { running } of started) await untilIdle(running.pid);
  return started;
}

/** Servers started once: each form with every connection busy, then the latency of single workers at a share of their own capacity. */
async function measureServers(contenders: readonly Contender[], model: ModelName) {
  const started = await start(contenders, model);
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
        isCheaper,
      );
      const seen = able.map(({ name, workers, order }, index) =>
        rowOf(name, model, form, workers, order.connections, full[index] as LoadReport),
      );
      const rateOf = (row: Row) => openLoopShare * row.requestsPerSecond;
      // In the order of `seen`, in which single workers with all connections come first.
      const isSingle = (row: Row) => row.workers === 1 && row.connections === connections;
      const single = form === 'json' && model === 'mlp' ? seen.filter(isSingle) : [];
      const calm = await inTurn(
        single.map((row, index) => ({
          ...(able[index] as (typeof able)[number]).order,
          durationMs: seconds * 1000,
          rate: rateOf(row),
        })),
        times.calm,
        isSooner,
      );
      for (const [index, row] of seen.entries()) {
        const rate = rateOf(row);
        const at = calm[index];
        rows.push({
          ...row,
          ...(at && { openLoop: { rate, p50Ms: at.p50, p99Ms: at.p99, leftOut: at.leftOut } }),
        });
        const failure = row.failed > 0 ? `, ${row.failed} FAILED: ${full[index]?.failure}` : '';
        const calmly =
          at === undefined
            ? ''
            : `, p99 ${at.p99.toFixed(2)} ms at ${Math.round(rate)}/s, ${(at.leftOut * 100).toFixed(1)} % left out`;
        say(
          `${model} ${form} ${row.workers} worker(s), ${row.connections} connections  ${servers[row.server].label}: ${Math.round(row.requestsPerCpuSecond)} requests/CPU-second, ${Math.round(row.requestsPerSecond)}/s${calmly}${failure}`,
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
  const figures: Figures = {
    command: `npx tsx bench/serving/main.ts --seconds ${seconds}`,
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim(),
    machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    loadAverage: loadavg()[0] ?? 0,
    times,
    seconds,
    openLoopShare,
    raw: { mlp: await raw('mlp'), wide: await raw('wide') },
    scanner: await alone('scanner'),
    missing,
    rows,
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
