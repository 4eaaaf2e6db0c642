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
export function pictures({ rows }: Figures): Record<string, string> {
  const one = rows.filter((row) => row.workers === 1 && row.connections === 32);
  const throughput = (model: Row['model'], form: Row['form'], title: string) =>
    bars(
      title,
      one
        .filter((row) => row.model === model && row.form === form)
        .sort((a, b) => b.requestsPerCpuSecond - a.requestsPerCpuSecond)
        .map((row) => bar(row, row.requestsPerCpuSecond, number(row.requestsPerCpuSecond))),
    );
  const latencies = one
    .filter((row) => row.model === 'mlp' && row.openLoop !== undefined)
    .sort((a, b) => (a.openLoop?.p99Ms ?? 0) - (b.openLoop?.p99Ms ?? 0));
  return {
    'serving-json.svg': throughput('mlp', 'json', '784-128-10, JSON: requests per server-CPU-second'),
    'serving-binary.svg': throughput('mlp', 'binary', '784-128-10, binary: requests per server-CPU-second'),
    'serving-wide.svg': throughput('wide', 'json', '784-2048-2048-10, JSON: requests per server-CPU-second'),
    'serving-p99.svg': bars(
      'p99 latency in ms at 30 % of each server’s own capacity',
      latencies.map((row) => bar(row, row.openLoop?.p99Ms ?? 0, (row.openLoop?.p99Ms ?? 0).toFixed(2))),
    ),
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
      row.openLoop === undefined ? '' : row.openLoop.p99Ms.toFixed(2),
      row.openLoop === undefined ? '' : `${(100 * row.openLoop.leftOut).toFixed(1)} %`,
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
    `${figures.machine}; commit ${figures.commit}; load average at the end ${figures.loadAverage.toFixed(1)}; the best of ${figures.times.full} times ${figures.seconds / 2} s with every connection busy and of ${figures.times.calm} times ${figures.seconds} s at 30 %, of every server alike; requests per CPU second of the server's whole process tree, so that a busy machine distorts little.`,
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
    'The generator turns without sleep. Answers that it waited for while another process had its core are left out of the latencies, of every server alike; how many is in the table.',
    '',
    `Cores is how many a server kept busy: less than one a worker where the generator could ask no faster. Two processes and the generator share the cores: the floor's own two keep ${[32, 64].map((connections) => `${floorKeeps(figures, connections).toFixed(2)} of the figure of one over ${connections} connections`).join(', ')}; two processes that do nothing but run the model keep ${figures.raw.mlp.twoKeep.toFixed(2)} (mlp) and ${figures.raw.wide.twoKeep.toFixed(2)} (wide) of what one does in a CPU second.`,
    '',
    '| server | model | form | workers | connections | requests/CPU-second | requests/s | cores | p99 ms at 30 % | left out | failed |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...table,
  ].join('\n')}\n`;
}

export async function writePage(figures: Figures): Promise<void> {
  await mkdir(`${docs}pictures`, { recursive: true });
  for (const [name, svg] of Object.entries(pictures(figures)))
    await writeFile(`${docs}pictures/${name}`, svg);
  await writeFile(`${docs}serving-bench.md`, page(figures));
}
