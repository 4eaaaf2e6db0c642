import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isImage } from '../../conversion/manifest/index.ts';
import { loadServable, type Servable } from '../../serving/engine/servable.ts';
import { countOf, sliceRows, type TensorValue } from '../../serving/engine/tensor.ts';
import { ServingError } from '../../serving/errors.ts';
import { ProcessingFault } from '../../serving/processing/fault.ts';
import { pictureRow } from '../../serving/processing/pictures/picture-input.ts';
import { parsePredict } from '../../serving/protocols/tensorflow-rest/predict.ts';
import { openVersion } from '../../serving/repository/version.ts';
import { orderedInputs } from '../../serving/validation.ts';
import { tensorText } from '../../serving/wire/writer.ts';
import { arrayTensors } from './arrays.ts';
import { cellsOf } from './csv.ts';
import { BadInput, countRows, type Rows, rowsAtOnce } from './record.ts';

/** What a scorer is told once. */
export interface ScorerStart {
  /** Version folder. */
  readonly folder: string;
  readonly format: 'csv' | 'jsonl' | 'npz';
  readonly columns: readonly string[] | undefined;
  /** Folder that paths of pictures are taken from. */
  readonly baseDir: string;
}

/** One line for each row, with the row's number; and how many of them say why a row was refused. */
export interface Scored {
  readonly text: string;
  readonly refused: number;
}

/** Pictures as large as there are: here they are the user's own. */
const maxPixels = 400_000_000;
/** Few, for a camera's have some 10 MB each, and are text as one request for a while. */
const picturesAtOnce = 8;
const batching = {
  maxBatchSize: Number.MAX_SAFE_INTEGER,
  batchTimeoutMs: 0,
  maxEnqueued: Number.MAX_SAFE_INTEGER,
};

/** One model with a session of its own, which decodes rows as the service does. */
export class Scorer {
  readonly #servable: Servable;
  readonly #start: ScorerStart;
  /** A column that the model takes and that has its name twice. */
  readonly #twice: string | undefined;

  private constructor(servable: Servable, start: ScorerStart) {
    this.#servable = servable;
    this.#start = start;
    const { columns = [] } = start;
    this.#twice = columns.find((name, index) => columns.indexOf(name) < index && this.#takes(name));
  }

  #takes(column: string): boolean {
    const { signature, processor } = this.#servable;
    return processor?.isColumn(column) === true || signature.inputs.some(({ name }) => name === column);
  }

  /** @throws ServingError SERVING_LOAD_FAILED */
  static async open(start: ScorerStart): Promise<Scorer> {
    const version = await openVersion(start.folder, 'model', 1, []);
    const settings = { batching: { ...batching, allowedBatchSizes: [] }, executionProvider: 'cpu' as const };
    return new Scorer(await loadServable(version, settings, 1, () => {}), start);
  }

  /** Rows that cannot be scored are told line by line; the others are scored all the same. */
  async score(rows: Rows, firstRow: number): Promise<Scored> {
    const most = this.#servable.processor?.takesPictures ? picturesAtOnce : rowsAtOnce;
    if (rows.kind === 'lines' && countRows(rows) > most) return this.#inParts(rows, most, firstRow);
    try {
      return await this.#together(rows, firstRow);
    } catch (error) {
      if (!isOfInput(error)) throw error;
      if (countRows(rows) === 1) return { text: refusal(firstRow, error as Error), refused: 1 };
    }
    return this.#inParts(rows, 1, firstRow);
  }

  async #inParts(rows: Rows, most: number, firstRow: number): Promise<Scored> {
    const each: Scored[] = [];
    for (const [index, part] of partsOf(rows, most).entries())
      each.push(await this.score(part, firstRow + index * most));
    return {
      text: each.map(({ text }) => text).join(''),
      refused: each.reduce((sum, { refused }) => sum + refused, 0),
    };
  }

  async #together(rows: Rows, firstRow: number): Promise<Scored> {
    const servable = this.#servable;
    const count = countRows(rows);
    const given =
      rows.kind === 'arrays' ? arrayTensors(servable.signature, rows) : await this.#parsed(rows.lines);
    const prepared = await servable.processor?.prepare(given, maxPixels, pictureRow);
    const inputs = orderedInputs(servable, prepared?.inputs ?? given);
    if (inputs.some(({ shape }) => shape[0] !== count))
      throw new BadInput('it is not one row of what the model takes');
    const outputs = await servable.runner.run(inputs, count, Number.POSITIVE_INFINITY, undefined);
    const told = prepared?.isProcessed === true ? servable.processor?.answer(outputs) : outputs;
    let text = '';
    for (let row = 0; row < count; row++) text += lineOf(told ?? outputs, row, firstRow + row);
    return { text, refused: 0 };
  }

  /** Lines as TensorFlow Serving's `instances`, so that there is one decoder for all. */
  async #parsed(lines: readonly string[]): Promise<readonly TensorValue[]> {
    const instances = await Promise.all(
      lines.map((line) =>
        this.#start.format === 'csv' ? this.#fromCells(cellsOf(line)) : this.#fromJson(line),
      ),
    );
    const body = Buffer.from(`{"instances":[${instances.join(',')}]}`);
    return parsePredict(this.#servable, body, 'token').inputs.map((tensor) => this.#nested(tensor));
  }

  /** Cells lie flat, whatever the model's rows look like. */
  #nested(tensor: TensorValue): TensorValue {
    const row =
      this.#servable.signature.inputs.find(({ name }) => name === tensor.name)?.shape.slice(1) ?? [];
    const isFlat = this.#start.format === 'csv' && tensor.shape.length === 2 && !row.includes(-1);
    if (!isFlat || countOf(row) !== tensor.shape[1]) return tensor;
    return { ...tensor, shape: [tensor.shape[0] as number, ...row] };
  }

  async #fromCells(cells: readonly string[]): Promise<string> {
    const { columns } = this.#start;
    const { signature, processor } = this.#servable;
    if (columns !== undefined && cells.length !== columns.length) {
      throw new BadInput(`it has ${cells.length} cells, there are ${columns.length} columns`);
    }
    if (this.#twice !== undefined) throw new BadInput(`the column '${this.#twice}' is there twice`);
    const values = new Map(columns?.map((name, index) => [name, cells[index] as string]));
    const fields: string[] = [];
    const give = (name: string, json: string) => fields.push(`${JSON.stringify(name)}:${json}`);
    for (const [name, cell] of values) {
      if (processor?.isColumn(name)) give(name, JSON.stringify(cell));
      else if (processor?.imageOf(name)) give(name, JSON.stringify(await this.#picture(cell)));
      else if (signature.inputs.some((spec) => spec.name === name)) give(name, `[${numberText(cell, name)}]`);
    }
    if (fields.length > 0) return `{${fields.join(',')}}`;
    return `[${cells.map((cell, index) => numberText(cell, columns?.[index] ?? `column ${index + 1}`)).join(',')}]`;
  }

  async #fromJson(line: string): Promise<string> {
    const { processor } = this.#servable;
    const pictures = Object.entries(processor?.preprocessing ?? {}).filter(([, declared]) =>
      isImage(declared),
    );
    if (pictures.length === 0) return line;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      throw new BadInput(`it is not JSON: ${(error as Error).message}`);
    }
    // A row of one input may be its bare value, as in `instances`.
    const isBare = typeof row === 'string' && this.#servable.signature.inputs.length === 1;
    if (isBare) return JSON.stringify(await this.#picture(row as string));
    if (typeof row !== 'object' || row === null) return line;
    const values = row as Record<string, unknown>;
    for (const [name] of pictures) {
      const path = values[name];
      if (typeof path === 'string') values[name] = await this.#picture(path);
    }
    return JSON.stringify(values);
  }

  async #picture(path: string): Promise<{ b64: string }> {
    const bytes = await readFile(resolve(this.#start.baseDir, path)).catch(() => {
      throw new BadInput(`there is no file ${path}`);
    });
    return { b64: bytes.toString('base64') };
  }
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const whole = /^-?(?:0|[1-9]\d*)$/;

/** A cell of a column that goes into a tensor, as JSON; digits as they stand, for a number of JavaScript holds 53 bits. */
function numberText(cell: string, column: string): string {
  const text = cell.trim();
  if (!decimal.test(text) || !Number.isFinite(Number(text)))
    throw new BadInput(`column '${column}' must be a number`);
  return whole.test(text) ? text : String(Number(text));
}

const badRequests: readonly string[] = ['SERVING_BAD_INPUT', 'SERVING_BAD_JSON', 'SERVING_BAD_SIGNATURE'];

const isOfInput = (error: unknown): boolean =>
  error instanceof BadInput ||
  error instanceof ProcessingFault ||
  (error instanceof ServingError && badRequests.includes(error.code));

const refusal = (row: number, { message }: Error): string =>
  `${JSON.stringify({ row, error: message.replace(/\brow 0: /, '') })}\n`;

/** So many rows each, the last perhaps fewer. */
function partsOf(rows: Rows, most: number): Rows[] {
  const count = countRows(rows);
  return Array.from({ length: Math.ceil(count / most) }, (_, part) => {
    const [from, to] = [part * most, Math.min(count, (part + 1) * most)];
    if (rows.kind === 'lines') return { kind: 'lines', lines: rows.lines.slice(from, to) };
    const arrays = rows.arrays.map((array) => {
      const rowBytes = array.bytes.length / count;
      return { ...array, bytes: array.bytes.slice(from * rowBytes, to * rowBytes) };
    });
    return { kind: 'arrays', rows: to - from, arrays };
  });
}

/** One row of the answer; NaN and Infinity, which JSON does not have, are null. */
function lineOf(outputs: readonly TensorValue[], row: number, number: number): string {
  const fields = outputs.map((output) => {
    const value = { ...sliceRows(output, row, row + 1), shape: output.shape.slice(1) };
    return `${JSON.stringify(output.name)}:${tensorText(value, 'null', output.name.endsWith('_bytes'))}`;
  });
  return `{"row":${number},${fields.join(',')}}\n`;
}
