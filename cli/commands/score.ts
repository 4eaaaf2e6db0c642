import { access, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { convertCached, readVersionManifest, writeVersion } from '../../conversion/index.ts';
import type { TensorSpec } from '../../conversion/manifest/index.ts';
import { availableCores } from '../../serving/engine/threads.ts';
import { type Command, exitCodes } from '../command.ts';
import { CliError } from '../errors.ts';
import { counted } from '../figures.ts';
import { devPaths } from '../paths.ts';
import { openLines } from '../score/lines.ts';
import { openNpz } from '../score/npz.ts';
import { Output } from '../score/output.ts';
import { BadInput, countRows, type Source } from '../score/record.ts';
import type { Scored } from '../score/scorer.ts';
import { Team } from '../score/team.ts';
import type { Terminal } from '../terminal.ts';
import { wholeNumber } from '../whole-number.ts';

/** How often progress is told. */
const tellEveryMs = 2_000;
/** Pieces a process has waiting: one to work on and one to go on with. */
const piecesEach = 2;

const formats: Readonly<Record<string, (path: string, inputs: readonly TensorSpec[]) => Promise<Source>>> = {
  '.csv': (path) => openLines(path, 'csv'),
  '.jsonl': (path) => openLines(path, 'jsonl'),
  '.ndjson': (path) => openLines(path, 'jsonl'),
  '.npz': openNpz,
};

/** A version folder as it is; a model file is converted behind the gate, once. */
async function versionOf(model: string, terminal: Terminal): Promise<string> {
  const isVersion = await access(join(model, 'manifest.json')).then(
    () => true,
    () => false,
  );
  if (isVersion) return model;
  const { cache } = devPaths();
  const conversion = await convertCached(model, { onProgress: (step) => terminal.progress(step) }, cache);
  const folder = join(cache, 'score', conversion.digest);
  await writeVersion(conversion, folder);
  return folder;
}

/** A model's file, or its folder with what lies in it. */
async function partsOf(model: string): Promise<string[]> {
  const names = await readdir(model, { recursive: true }).catch(() => []);
  return [model, ...names.map((name) => join(model, name))];
}

/** @throws CliError CLI_USAGE where the answers would take the place of what they are about */
async function assertOther(out: string, read: string): Promise<void> {
  const [there, given] = await Promise.all([out, read].map((path) => stat(path).catch(() => undefined)));
  if (there === undefined || there.ino !== given?.ino || there.dev !== given.dev) return;
  throw new CliError('CLI_USAGE', `--out ${out} is what is read.`);
}

async function openSource(path: string, inputs: readonly TensorSpec[]): Promise<Source> {
  const open = formats[extname(path).toLowerCase()];
  if (open === undefined) throw new BadInput(`it ends in none of ${Object.keys(formats).join(', ')}`);
  return open(path, inputs);
}

interface Totals {
  bytesRead: number;
}

/** Hands pieces out in turn and writes them in turn; what is in between is bounded. */
async function run(
  source: Source,
  team: Team,
  output: Output,
  workers: number,
  totals: Totals,
  signal: AbortSignal,
): Promise<void> {
  const waiting: { scored: Promise<Scored>; rows: number; bytesRead: number }[] = [];
  const writeFirst = async () => {
    const first = waiting.shift();
    if (first === undefined) return;
    const { text, refused } = await first.scored;
    await output.append(text, first.rows, refused);
    totals.bytesRead = first.bytesRead;
  };
  let row = output.rows;
  for await (const { rows, bytesRead } of source.read(output.rows)) {
    if (signal.aborted) break;
    const { scored } = await team.hand(rows, row);
    waiting.push({ scored, rows: countRows(rows), bytesRead });
    row += countRows(rows);
    while (waiting.length >= workers * piecesEach) await writeFirst();
  }
  while (waiting.length > 0) await writeFirst();
}

export const score: Command = {
  usage: '<model> <input> [--out FILE] [--workers N]',
  details:
    'Scores every row of a .csv, .jsonl or .npz file, on all cores, and writes one JSON line a row. Rows are decoded as the service decodes\n' +
    'them: named columns, pictures (by path), tensors. If it is stopped or killed, the same command goes on behind the last row that is whole.\n' +
    'Exit code 1 where rows were refused; their lines say why.',
  examples: [
    'modelmile score samples/digits/model.h5 samples/digits/heldout.npz --out scores.jsonl',
    'modelmile score ./credit.h5 applicants.csv --json',
  ],
  minPositionals: 2,
  maxPositionals: 2,
  options: {
    out: {
      type: 'string',
      value: 'FILE',
      help: 'where to write (default: <name of the input>.scores.jsonl)',
    },
    workers: { type: 'string', value: 'N', help: 'processes; 0 = one for each core', default: '0' },
  },
  async run({ positionals, options, terminal, signal }) {
    const startedMs = performance.now();
    const [model, input] = positionals.map((path) => resolve(path)) as [string, string];
    const found = await stat(input).catch(() => undefined);
    if (found === undefined) throw new CliError('CLI_NO_SUCH_FILE', `There is no file ${input}.`);
    const workers =
      wholeNumber('workers', String(options['workers']), 256) || Math.max(1, Math.floor(availableCores()));
    const path = resolve((options['out'] as string | undefined) ?? `${basename(input)}.scores.jsonl`);
    for (const read of [input, ...(await partsOf(model))]) await assertOther(path, read);
    const folder = await versionOf(model, terminal);
    const { manifest, digest } = await readVersionManifest(folder);
    const totals: Totals = { bytesRead: 0 };
    let team: Team | undefined;
    let output: Output | undefined;
    const timer = setInterval(() => terminal.progress(progressOf()), tellEveryMs);
    const progressOf = () => {
      const rows = output?.rows ?? 0;
      const share = Math.min(1, totals.bytesRead / Math.max(1, found.size));
      return `${counted(rows, 'row')}, ${Math.round(100 * share)} % of the input`;
    };
    try {
      const source = await openSource(input, manifest.signatures['serving_default']?.inputs ?? []);
      output = await Output.open(path, { digest, input, sizeBytes: found.size, modifiedMs: found.mtimeMs });
      const resumedAt = output.rows;
      if (resumedAt > 0) terminal.progress(`going on behind row ${resumedAt}`);
      const start = { folder, format: source.format, columns: source.columns, baseDir: dirname(input) };
      team = new Team(start, workers);
      await run(source, team, output, workers, totals, signal);
      const isWhole = !signal.aborted;
      await (isWhole ? output.finish() : output.leave());
      const { rows, refused } = output;
      const seconds = (performance.now() - startedMs) / 1000;
      const written = isWhole ? path : `${path}.part`;
      terminal.line(
        `${counted(rows, 'row')} (${refused} refused) in ${seconds.toFixed(1)} s by ${counted(team.size, 'process')}: ${written}`,
      );
      if (!isWhole) terminal.line('Stopped; the same command goes on from there.');
      terminal.document({
        digest,
        input,
        out: written,
        isWhole,
        rows,
        resumedAt,
        refused,
        seconds: Math.round(seconds * 1000) / 1000,
        workers: team.size,
      });
      return isWhole && refused === 0 ? exitCodes.ok : exitCodes.failed;
    } catch (error) {
      await output?.leave().catch(() => {});
      if (error instanceof BadInput) throw new CliError('CLI_BAD_INPUT', `${input}: ${error.message}.`);
      throw error;
    } finally {
      clearInterval(timer);
      team?.stop();
    }
  },
};
