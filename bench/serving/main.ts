/**
 * `npx tsx bench/serving/main.ts [--quick] [--only modelmile,fastapi] [--seconds N]`: every server side by side in one run, the same
 * model, the same load generator in a process of its own. Writes docs/reports/serving-bench.json and the page that is drawn from it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Figures, type Form, figuresFile, type Row } from './figures.ts';
import { type Measurement, measure } from './load.ts';
import type { LoadOrder } from './load-generator.ts';
import { type ModelName, models, writeModel } from './models.ts';
import { writePage } from './page.ts';
import { untilIdle } from './process-cpu.ts';
import { type Server, type ServerName, servers } from './servers.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const seconds = Number(options.seconds ?? (options.quick ? 1 : 8));
const chosen = Object.entries(servers).filter(
  ([name]) => options.only === undefined || options.only.split(',').includes(name),
) as [ServerName, Server][];

const connections = 32;
/** Share of its own capacity at which a server's latency is looked at. */
const openLoopShare = 0.3;
/** Each load is given so often, and the best of it counts, of every server alike: what else the machine does only takes away. */
const times = 3;
const say = (text: string) => process.stderr.write(`${text}\n`);

const root = await mkdtemp(join(tmpdir(), 'modelmile-bench-models-'));
const paths = Object.fromEntries(
  await Promise.all(
    (Object.keys(models) as ModelName[]).map(async (name) => [name, await writeModel(root, name)]),
  ),
) as Record<ModelName, string>;

function rowOf(name: ServerName, model: ModelName, form: Form, workers: number, seen: Measurement): Row {
  return {
    server: name,
    model,
    form,
    workers,
    requestsPerCpuSecond: seen.answered / seen.serverCpuSeconds,
    requestsPerSecond: seen.answered / seen.seconds,
    p50Ms: seen.p50,
    p99Ms: seen.p99,
    failed: seen.failed,
  };
}

async function best(
  pid: number,
  order: LoadOrder,
  isBetter: (a: Measurement, b: Measurement) => boolean,
): Promise<Measurement> {
  let chosen = await measure(pid, order);
  for (let time = 1; time < times; time++) {
    const next = await measure(pid, order);
    if (isBetter(next, chosen)) chosen = next;
  }
  return chosen;
}

const isCheaper = (a: Measurement, b: Measurement) =>
  a.answered / a.serverCpuSeconds > b.answered / b.serverCpuSeconds;
const isSooner = (a: Measurement, b: Measurement) => a.p99 < b.p99;

/** One server, started once: each form with every connection busy, then its latency at a share of its own capacity. */
async function measureServer(name: ServerName, server: Server, model: ModelName, workers: number) {
  const rows: Row[] = [];
  const running = await server.start({ modelRoot: root, modelPath: paths[model], model, workers });
  if (running === undefined) return undefined;
  try {
    await untilIdle(running.pid);
    for (const form of ['json', 'binary'] as const) {
      const request = server[form]?.(model);
      if (request === undefined) continue;
      const order = {
        port: running.port,
        request,
        connections,
        warmUpMs: Math.max(1000, seconds * 250),
        durationMs: seconds * 1000,
        seed: 1,
      };
      const full = await best(running.pid, order, isCheaper);
      if (full.answered === 0) throw new Error(`${name} answered nothing: ${full.failure}`);
      const row = rowOf(name, model, form, workers, full);
      const rate = openLoopShare * row.requestsPerSecond;
      const calm =
        form === 'json' && model === 'mlp' && workers === 1
          ? await best(running.pid, { ...order, rate }, isSooner)
          : undefined;
      rows.push({ ...row, ...(calm && { openLoop: { rate, p50Ms: calm.p50, p99Ms: calm.p99 } }) });
      const calmly = calm === undefined ? '' : `, p99 ${calm.p99.toFixed(2)} ms at ${Math.round(rate)}/s`;
      say(
        `${model} ${form} ${workers} worker(s)  ${server.label}: ${Math.round(row.requestsPerCpuSecond)} requests/CPU-second, ${Math.round(row.requestsPerSecond)}/s${calmly}${full.failed > 0 ? `, ${full.failed} FAILED: ${full.failure}` : ''}`,
      );
    }
  } finally {
    await running.stop();
  }
  return rows;
}

/** What a measurement in a process of its own prints. */
function alone<T>(name: string, env: Readonly<Record<string, string>> = {}): T {
  const script = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', script], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return JSON.parse(stdout) as T;
}

/** onnxruntime-node alone: rows per CPU second at its best batch. */
function raw(model: ModelName): { batch: number; rowsPerCpuSecond: number } {
  const env = { MODEL: paths[model], SECONDS: String(Math.min(seconds, 3)) };
  const best = Object.entries(alone<Record<string, number>>('raw', env)).reduce((a, b) =>
    b[1] > a[1] ? b : a,
  );
  return { batch: Number(best[0]), rowsPerCpuSecond: best[1] };
}

const rows: Row[] = [];
const missing: string[] = [];
try {
  for (const model of Object.keys(models) as ModelName[]) {
    for (const [name, server] of chosen) {
      const seen = await measureServer(name, server, model, 1).catch((error: Error) => {
        say(`${model}  ${server.label}: ${error.message}`);
        return undefined;
      });
      if (seen === undefined && model === 'mlp') missing.push(name);
      rows.push(...(seen ?? []));
    }
  }
  if (chosen.some(([name]) => name === 'modelmile'))
    rows.push(...((await measureServer('modelmile', servers.modelmile, 'mlp', 2)) ?? []));
  const figures: Figures = {
    command: `npx tsx bench/serving/main.ts --seconds ${seconds}`,
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim(),
    machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    loadAverage: loadavg()[0] ?? 0,
    seconds,
    connections,
    openLoopShare,
    raw: { mlp: raw('mlp'), wide: raw('wide') },
    scanner: alone('scanner'),
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
