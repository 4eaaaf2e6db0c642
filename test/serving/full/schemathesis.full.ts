/** schemathesis on the server's own OpenAPI documents: `npm run test:full -- serving`. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fullCount } from '../../support/full-count.ts';
import { metricOf } from '../support/metrics.ts';
import { classifier, everyType, scaledSum, several } from '../support/models.ts';
import { startServer } from '../support/server.ts';

const models = {
  classifier: { 1: classifier },
  several: { 1: several },
  sums: { 1: scaledSum(2) },
  types: { 1: everyType },
};
const names = Object.keys(models);
const examplesEach = 100;
/** What an answer is held to: no 5xx, and status, type, headers and body as the document says. */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];

const folder =
  process.env['MODELMILE_SCHEMATHESIS'] ??
  fileURLToPath(new URL('../../../.modelmile/schemathesis', import.meta.url));
const program = join(folder, 'bin', 'schemathesis');

interface Figures {
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
}

/** One answer or more of a test case, as schemathesis writes them down. */
const statusPattern = /"status_code":\s*(\d{3})/g;

async function conformance(model: string, seed: number): Promise<Figures> {
  // NaN and Infinity as bare words are TensorFlow Serving's, and no JSON.
  const server = await startServer(models, { workers: 1, nonFinite: 'reject' });
  const reports = mkdtempSync(join(tmpdir(), 'modelmile-schemathesis-'));
  const events = join(reports, 'events.ndjson');
  const options = {
    url: server.rest,
    checks: checks.join(','),
    'max-examples': String(examplesEach),
    seed: String(seed),
    phases: 'examples,coverage,fuzzing',
    'generation-database': 'none',
    report: 'ndjson',
    'report-ndjson-path': events,
    warnings: 'off',
    'request-timeout': '60',
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  try {
    await promisify(execFile)(
      program,
      ['run', `${server.rest}/docs/${model}`, ...args, '--continue-on-failure', '--no-color'],
      { maxBuffer: 1 << 28, cwd: reports },
    ).catch(({ stdout, stderr }) => {
      throw new Error(`${model}, seed ${seed}: ${String(stdout).slice(-6000)}${stderr}`);
    });
    const crashes = await metricOf(server, 'modelmile_worker_crashes_total');
    if (crashes > 0) throw new Error(`${model}, seed ${seed}: ${crashes} crashes\n${server.log()}`);
    const statuses: Record<string, number> = {};
    for (const [, status] of readFileSync(events, 'utf8').matchAll(statusPattern))
      statuses[status as string] = (statuses[status as string] ?? 0) + 1;
    return { requests: Object.values(statuses).reduce((sum, count) => sum + count, 0), statuses };
  } finally {
    await server.stop();
    rmSync(reports, { recursive: true, force: true });
  }
}

await fullCount<Figures>(import.meta.url, {
  title: 'Schemathesis',
  what: `schemathesis, from the OpenAPI documents that the server gives of ${names.length} models, ${examplesEach} requests an operation beside its examples and borders, right and wrong ones. Checks: ${checks.join(', ')}. No failure, no crash.`,
  chunks: names.length,
  lacks: existsSync(program)
    ? undefined
    : `schemathesis is not installed: run test/serving/full/install-schemathesis.sh`,
  run: (chunk, seed) => conformance(names[chunk] as string, seed),
  report(all) {
    const statuses: Record<string, number> = {};
    for (const figures of all)
      for (const [status, count] of Object.entries(figures.statuses))
        statuses[status] = (statuses[status] ?? 0) + count;
    return {
      requests: all.reduce((sum, { requests }) => sum + requests, 0),
      'answers by status': Object.entries(statuses)
        .map(([status, count]) => `${status}: ${count.toLocaleString('en-US')}`)
        .join(', '),
      'failed checks, crashes': 0,
    };
  },
});
