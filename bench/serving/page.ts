import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Bar, bars } from '../bars.ts';
import { type Figures, floorKeeps, type Row, targets } from './figures.ts';
import { servers } from './servers.ts';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const number = (value: number) => Math.round(value).toLocaleString('en-US');

function bar(row: Row, value: number, text: string): Bar {
  return { label: servers[row.server].label, value, text, isOurs: row.server === 'modelmile' };
}

/** The pictures, by their file names below docs/pictures. */
export function pictures({ rows, latencies }: Figures): Record<string, string> {
  const one = rows.filter((row) => row.workers === 1 && row.connections === 32);
  const throughput = (model: Row['model'], form: Row['form'], title: string) =>
    bars(
      title,
      one
        .filter((row) => row.model === model && row.form === form)
        .sort((a, b) => b.requestsPerCpuSecond - a.requestsPerCpuSecond)
        .map((row) => bar(row, row.requestsPerCpuSecond, number(row.requestsPerCpuSecond))),
    );
  const waits = latencies.flatMap(({ other, ours }) => {
    const name = servers[other.server].label;
    return [
      { label: name, value: other.p99Ms, text: other.p99Ms.toFixed(2), isOurs: false },
      { label: 'modelmile, in turns with it', value: ours.p99Ms, text: ours.p99Ms.toFixed(2), isOurs: true },
    ];
  });
  return {
    'serving-json.svg': throughput('mlp', 'json', '784-128-10, JSON: requests per server-CPU-second'),
    'serving-binary.svg': throughput('mlp', 'binary', '784-128-10, binary: requests per server-CPU-second'),
    'serving-wide.svg': throughput('wide', 'json', '784-2048-2048-10, JSON: requests per server-CPU-second'),
    'serving-p99.svg': bars('p99 latency in ms at 30 % of each server’s own capacity', waits),
  };
}

/** docs/serving-bench.md, drawn from the figures alone. */
export function page(figures: Figures): string {
  const table = figures.rows.map((row) =>
    [
      '',
      servers[row.server].label,
      row.model,
      row.form,
      row.workers,
      row.connections,
      number(row.requestsPerCpuSecond),
      number(row.requestsPerSecond),
      (row.requestsPerSecond / row.requestsPerCpuSecond).toFixed(2),
      row.failed,
      '',
    ]
      .join(' | ')
      .trim(),
  );
  const judged = targets(figures).map(
    ({ what, wanted, seen }) =>
      `| ${what} | ${wanted} | ${seen.toFixed(2)} | ${seen >= wanted ? 'reached' : 'missed'} |`,
  );
  return `${[
    '# Serving, measured side by side',
    '',
    'Written by `bench/serving`; do not edit. One run, the same models, the same load generator in a process of its own; every peer set up as its own documentation advises for throughput: [bench/serving/peers](../bench/serving/peers).',
    '',
    '```sh',
    'sh bench/serving/peers/install.sh',
    figures.command,
    '```',
    '',
    `${figures.machine}; commit ${figures.commit}; load average at the end ${figures.loadAverage.toFixed(1)}; the best of ${figures.times.full} times ${figures.seconds / 2} s with every connection busy, of every server alike; requests per CPU second of the server's whole process tree, so that a busy machine distorts little.`,
    figures.missing.length === 0 ? '' : `Not installed, so not measured: ${figures.missing.join(', ')}.`,
    '',
    ...Object.keys(pictures(figures)).map((name) => `![${name}](pictures/${name})`),
    '',
    '| target | wanted | seen | |',
    '|---|---|---|---|',
    ...judged,
    '',
    `onnxruntime-node alone, one thread, at its best batch: ${(['mlp', 'wide'] as const).map((model) => `${model} ${number(figures.raw[model].rowsPerCpuSecond)} rows/CPU-second (batch ${figures.raw[model].batch})`).join(', ')}.`,
    '',
    `Latencies: each server and modelmile in turns, ${figures.times.calm} times ${figures.seconds} s at 30 % of what each can do, nothing else up, the generator with a core of its own and the servers with the others; the middle of those rounds, and the best. What else a machine of few cores does makes most of such a tail, and meets both alike. The generator turns without sleep; answers that it waited for while another process had its core are left out, of every server alike.`,
    '',
    '| server | requests/s | p50 ms | p99 ms | best | left out | modelmile: requests/s | p50 ms | p99 ms | best | left out |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...figures.latencies.map(
      ({ other, ours }) =>
        `| ${servers[other.server].label} | ${[other, ours].flatMap(({ rate, p50Ms, p99Ms, bestP99Ms, leftOut }) => [number(rate), p50Ms.toFixed(2), p99Ms.toFixed(2), bestP99Ms.toFixed(2), `${(100 * leftOut).toFixed(1)} %`]).join(' | ')} |`,
    ),
    '',
    `Cores is how many a server kept busy: less than one a worker where the generator could ask no faster. Two processes and the generator share the cores: the floor's own two keep ${[32, 64].map((connections) => `${floorKeeps(figures, connections).toFixed(2)} of the figure of one over ${connections} connections`).join(', ')}; two processes that do nothing but run the model keep ${figures.raw.mlp.twoKeep.toFixed(2)} (mlp) and ${figures.raw.wide.twoKeep.toFixed(2)} (wide) of what one does in a CPU second.`,
    '',
    '| server | model | form | workers | connections | requests/CPU-second | requests/s | cores | failed |',
    '|---|---|---|---|---|---|---|---|---|',
    ...table,
  ].join('\n')}\n`;
}

export async function writePage(figures: Figures): Promise<void> {
  await mkdir(`${docs}pictures`, { recursive: true });
  for (const [name, svg] of Object.entries(pictures(figures)))
    await writeFile(`${docs}pictures/${name}`, svg);
  await writeFile(`${docs}serving-bench.md`, page(figures));
}
