import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convert } from '../../../conversion/index.ts';
import { assemble, kerasToTflite } from '../../../conversion/tflite/index.ts';
import { seededRandom } from '../../../conversion/verify/random.ts';
import { openRecorded } from '../recorded.ts';
import { readModel, writeModel } from '../tflite/cases.ts';
import { type Mutation, mutations } from './mutations.ts';

/** What a damaged file may cost. */
const maxMs = 10_000;
const maxMiB = 1024;
const watchEveryMs = 50;
const kept = fileURLToPath(new URL('../../../.modelmile/full/malformed', import.meta.url));

/** Small models of many kinds: what is damaged. */
const sources = [
  'keras2-bidirectional-lstm-concat',
  'keras3-conv2d-groups',
  'keras2-nested',
  'keras3-masked-attention',
  'keras3-operations-keras3',
  'keras2-operations-keras2',
  'keras3-normalization-config',
  'keras2-residual',
  'keras3-rnn-stacked',
  'keras2-integer-lookup',
];
const tfliteSources = ['keras3-small_resnet', 'keras2-functional', 'keras3-sequential'];

export interface MalformedFigures {
  readonly files: Readonly<Record<string, number>>;
  /** How they ended: `converted` or the code of the refusal. */
  readonly ends: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly peakMiB: number;
}

/** A whole file of each kind, with its ending. */
async function wholeFiles(folder: string): Promise<{ end: string; bytes: Uint8Array }[]> {
  const recorded = openRecorded('layers.zip');
  const whole: { end: string; bytes: Uint8Array }[] = [];
  for (const name of sources) {
    for (const file of recorded.expected[name]!.files) {
      const path = recorded.path(file);
      whole.push({ end: file.split('.').at(-1) as string, bytes: new Uint8Array(readFileSync(path)) });
      if (file.endsWith('.h5'))
        whole.push({ end: 'onnx', bytes: (await convert(path)).files.get('model.onnx') as Uint8Array });
    }
  }
  recorded.close();
  for (const name of tfliteSources) {
    const { program } = kerasToTflite(await readModel(writeModel(name, folder)));
    whole.push({ end: 'tflite', bytes: assemble(program) });
  }
  return whole;
}

interface Result {
  readonly ended: string;
  readonly ms: number;
  readonly peakMiB: number;
}

/** MiB that a process holds now; 0 where the machine has no /proc or the process is gone: its own account at the end counts then. */
function residentMiBOf(pid: number): number {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return (Number(pages) * 4096) / 2 ** 20;
  } catch {
    return 0;
  }
}

/** A process that converts, in a folder of its own; where a file kills it, the next file gets another. */
class Worker {
  readonly #folder: string;
  #child: ChildProcess | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of ['in', 'out', 'tmp']) mkdirSync(join(folder, name), { recursive: true });
  }

  /** @throws Error where it dies before it is ready: that says nothing about a file */
  async #start(): Promise<ChildProcess> {
    const loader = new URL('../../../toolchain/typescript.mjs', import.meta.url).href;
    const child = fork(new URL('./malformed-worker.ts', import.meta.url).pathname, {
      cwd: this.#folder,
      env: { ...process.env, TMPDIR: join(this.#folder, 'tmp') },
      execArgv: ['--import', loader],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const died = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the process did not start: ${signal ?? `exit code ${code}`}`);
    });
    await Promise.race([once(child, 'message'), died]);
    died.catch(() => undefined);
    // It may die after it has answered, too: the next file gets another then.
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    return child;
  }

  async run(path: string, number: number): Promise<Result> {
    this.#child ??= await this.#start();
    const child = this.#child;
    const result = await new Promise<Result>((resolve) => {
      const timer = setTimeout(() => fault(`not done in ${maxMs} ms`), maxMs);
      const watch = setInterval(() => {
        const residentMiB = residentMiBOf(child.pid as number);
        if (residentMiB > maxMiB) fault(`took ${residentMiB} MiB`);
      }, watchEveryMs);
      const onExit = (code: number | null, signal: string | null) =>
        fault(`the process died: ${signal ?? `exit code ${code}`}`);
      const onMessage = (message: Result) => done(message);
      const done = (result: Result) => {
        clearTimeout(timer);
        clearInterval(watch);
        child.off('exit', onExit).off('message', onMessage);
        resolve(result);
      };
      const fault = (what: string) => {
        this.stop();
        done({ ended: `fault: ${what}`, ms: maxMs, peakMiB: 0 });
      };
      child.once('exit', onExit).once('message', onMessage);
      child.send({ path, number }, (error) => {
        if (error) fault(`the process died: ${error.message}`);
      });
    });
    if (result.ms > maxMs) return { ...result, ended: `fault: took ${result.ms} ms` };
    if (result.peakMiB <= maxMiB) return result;
    this.stop();
    return { ...result, ended: `fault: took ${result.peakMiB} MiB` };
  }

  /** What lies where nothing may lie; ONNX Runtime's own log and the loader's cache aside. */
  strays(): string[] {
    return [
      ...readdirSync(join(this.#folder, 'tmp'))
        .filter((name) => !/^(\.ses|mat-debug-\d+\.log|tsx-\d+)$/.test(name))
        .map((name) => `tmp/${name}`),
      ...readdirSync(this.#folder).filter((name) => !['in', 'out', 'tmp'].includes(name)),
      ...readdirSync(dirname(this.#folder)).filter((name) => name !== basename(this.#folder)),
    ];
  }

  stop(): void {
    this.#child?.removeAllListeners();
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}

/**
 * Damages files of every format and converts them, each kind in turn, in processes that may die of it.
 * @throws Error naming each file that was neither converted nor refused by a ConversionError, within 10 s and 1 GB, or that left
 * something outside the output folder; the files are kept in .modelmile/full/malformed
 */
export async function convertDamaged(count: number, seed: number): Promise<MalformedFigures> {
  const outer = mkdtempSync(join(tmpdir(), 'modelmile-malformed-'));
  const folder = join(outer, 'work');
  const worker = new Worker(folder);
  const whole = await wholeFiles(mkdtempSync(join(tmpdir(), 'modelmile-whole-')));
  const random = seededRandom(seed);
  const files: Record<string, number> = {};
  const ends: Record<string, number> = {};
  const faults: string[] = [];
  let [slowestMs, peakMiB] = [0, 0];
  const kinds = Object.keys(mutations);
  try {
    for (let number = 0; number < count; number++) {
      const end = kinds[number % kinds.length] as string;
      const own = whole.filter((file) => file.end === end);
      const ways = mutations[end] as readonly Mutation[];
      const { bytes } = own[Math.floor(random() * own.length)] as (typeof own)[number];
      const damaged = (ways[Math.floor(random() * ways.length)] as Mutation)(bytes, random);
      const path = join(folder, 'in', `${number}.${end}`);
      writeFileSync(path, damaged);
      const result = await worker.run(path, number);
      const strays = worker.strays();
      if (result.ended.startsWith('fault') || strays.length > 0) {
        mkdirSync(kept, { recursive: true });
        writeFileSync(join(kept, `${seed}-${number}.${end}`), damaged);
        faults.push(`${seed}-${number}.${end}: ${result.ended}${strays.map((name) => ` left ${name}`)}`);
        for (const name of strays) rmSync(join(folder, name), { recursive: true, force: true });
      }
      files[end] = (files[end] ?? 0) + 1;
      ends[result.ended] = (ends[result.ended] ?? 0) + 1;
      slowestMs = Math.max(slowestMs, result.ms);
      peakMiB = Math.max(peakMiB, result.peakMiB);
      rmSync(path);
    }
  } finally {
    worker.stop();
    rmSync(outer, { recursive: true, force: true });
  }
  if (faults.length > 0) throw new Error(`${faults.length} files:\n${faults.join('\n')}`);
  return { files, ends, slowestMs, peakMiB };
}
