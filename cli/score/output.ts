import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../../conversion/index.ts';
import { beSoleProcessOf, StillUsed } from '../../serving/sole-process.ts';
import { CliError } from '../errors.ts';

const newline = 0x0a;
/** A run that was killed just now is gone by then. */
const patienceMs = 1_000;

/** What a run is about: one that goes on must be about the same. */
export interface Run {
  readonly digest: string;
  readonly input: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/**
 * The output of a run, one line a row in the order of the input. It is its own journal: whatever happens, the lines that are whole are
 * the rows that are done, and the next run goes on behind them. Until the last row it is called `<out>.part`.
 */
export class Output {
  readonly #path: string;
  readonly #file: FileHandle;
  /** Rows that are done, and how many of them were refused. */
  rows: number;
  refused: number;

  private constructor(path: string, file: FileHandle, rows: number, refused: number) {
    this.#path = path;
    this.#file = file;
    this.rows = rows;
    this.refused = refused;
  }

  /** @throws CliError CLI_STILL_RUNNING where another run writes there, CLI_OTHER_RUN where what is there is about something else */
  static async open(path: string, run: Run): Promise<Output> {
    await makeFolder(dirname(path));
    const [part, about] = [`${path}.part`, `${path}.part.json`];
    await beSoleProcessOf(part, patienceMs).catch((error) => {
      if (!(error instanceof StillUsed)) throw error;
      throw new CliError('CLI_STILL_RUNNING', `Another run writes to ${part}.`);
    });
    const wanted = JSON.stringify(run);
    const begun = await readFile(about, 'utf8').catch(() => undefined);
    const isEmpty = await stat(part).then(
      ({ size }) => size === 0,
      () => true,
    );
    if (begun !== undefined && begun !== wanted && !isEmpty) {
      throw new CliError('CLI_OTHER_RUN', `${part} was begun with another model or input.`);
    }
    if (begun !== wanted) {
      await rm(part, { force: true });
      await writeFile(`${about}.new`, wanted);
      await rename(`${about}.new`, about);
    }
    const file = await open(part, 'a+');
    const { bytes, rows, refused } = await wholeLines(file);
    await file.truncate(bytes);
    return new Output(path, file, rows, refused);
  }

  async append(text: string, rows: number, refused: number): Promise<void> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, null);
      at += bytesWritten;
    }
    this.rows += rows;
    this.refused += refused;
  }

  /** All rows are there. */
  async finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await rename(`${this.#path}.part`, this.#path);
    await rm(`${this.#path}.part.json`, { force: true });
  }

  /** Keeps what is done, to go on later. */
  async leave(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }
}

/** A row that says why it was refused. */
const isRefusal = (line: Buffer) => /^\{"row":\d+,"error":"/.test(line.toString('latin1', 0, 40));

/** How many lines are whole, how many of them are refusals, and where the last of them ends. */
async function wholeLines(file: FileHandle): Promise<{ bytes: number; rows: number; refused: number }> {
  const block = Buffer.alloc(1 << 20);
  let [bytes, rows, refused] = [0, 0, 0];
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const { bytesRead } = await file.read(block, 0, block.length, bytes + rest.length);
    if (bytesRead === 0) return { bytes, rows, refused };
    const read = Buffer.concat([rest, block.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = read.indexOf(newline); end >= 0; end = read.indexOf(newline, start)) {
      if (isRefusal(read.subarray(start, end))) refused++;
      rows++;
      start = end + 1;
    }
    bytes += start;
    rest = Buffer.from(read.subarray(start));
  }
}
