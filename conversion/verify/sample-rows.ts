import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConversionError, unreadable } from '../errors.ts';
import type { Signature, TensorSpec } from '../manifest/index.ts';
import type { Tensor } from './interpreter/index.ts';
import { parseNpy, parseNpz } from './npy.ts';
import { rowShape, shapeOfRow } from './row-shape.ts';

/** Inputs that stand for what a model meets: what a lossy method is calibrated by and judged on. */
export interface SampleRows {
  /** One for each input of the signature, `[rows, ...]`, row-major. */
  readonly inputs: readonly Tensor[];
  /** Of the file; undefined for seeded random rows. */
  readonly sha256?: string;
}

/** More rows make calibration slower and hardly better. */
const mostRows = 512;

type Arrays = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float64Array }>;

/** JSON lines: `{"input": [...]}` for one input, `{"inputs": {"name": [...]}}` for several; `output` and `outputs` alike. */
function fromJsonLines(text: string): Arrays {
  const columns = new Map<string, { shape: readonly number[]; rows: number[][] }>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const { input, inputs, output, outputs } = JSON.parse(line) as {
      [Key in 'input' | 'output']?: unknown;
    } & { [Key in 'inputs' | 'outputs']?: Record<string, unknown> };
    const only = Object.entries({ x: input, y: output }).filter(([, value]) => value !== undefined);
    for (const [name, value] of [...only, ...Object.entries({ ...inputs, ...outputs })]) {
      const row = [value].flat(Number.POSITIVE_INFINITY) as number[];
      if (!row.every(Number.isFinite)) throw new Error('a row holds what is no number');
      const shape = shapeOfRow([value].flat());
      const column = columns.get(name) ?? { shape, rows: [] };
      if (String(shape) !== String(column.shape))
        throw new Error(`'${name}' has rows of [${column.shape}] and of [${shape}]`);
      column.rows.push(row);
      columns.set(name, column);
    }
  }
  return new Map(
    [...columns].map(([name, { shape, rows }]) => [
      name,
      { shape: [rows.length, ...shape], data: Float64Array.from(rows.flat()) },
    ]),
  );
}

function arraysOf(bytes: Uint8Array): Arrays {
  if (bytes[0] === 0x93) return new Map([['x', parseNpy(bytes)]]);
  return bytes[0] === 0x50 ? parseNpz(bytes) : fromJsonLines(new TextDecoder().decode(bytes));
}

/** Rows of an array as a spec has them, and how many of them there are in the file. */
interface Taken {
  readonly tensor: Tensor;
  readonly total: number;
  readonly spec: TensorSpec;
  /** Of the array in the file. */
  readonly fileShape: readonly number[];
}

/** Rows spread evenly over the whole, for files are often sorted by class. */
function spread(
  spec: TensorSpec,
  array: { shape: readonly number[]; data: Float64Array },
  scale: number,
): Taken {
  if (!array.data.every(Number.isFinite)) throw new Error(`array for '${spec.name}' holds what is no number`);
  const declared = spec.shape.slice(1);
  // Flat data is as many rows as there is room for, where the size of one is known.
  const fixed = declared.every((size) => size >= 0) ? declared : undefined;
  const [given = 0, ...told] = array.shape;
  const shape = fixed ?? rowShape(declared, told, array.data.length / given);
  if (shape === undefined)
    throw new Error(`input '${spec.name}' is [${spec.shape}], the file has [${array.shape}]`);
  const rowSize = shape.reduce((product, size) => product * size, 1);
  const total = array.data.length / rowSize;
  if (!Number.isInteger(total) || total < 1) {
    throw new Error(
      `input '${spec.name}' takes rows of ${rowSize} numbers, the file has ${array.data.length} in all`,
    );
  }
  const rows = Math.min(total, mostRows);
  const data = new Float64Array(rows * rowSize);
  for (let row = 0; row < rows; row++) {
    const from = Math.floor((row * total) / rows) * rowSize;
    for (let i = 0; i < rowSize; i++)
      data[row * rowSize + i] = Math.fround((array.data[from + i] as number) * scale);
  }
  return { tensor: { shape: [rows, ...shape], data }, total, spec, fileShape: array.shape };
}

/** Rows for each of the specs: by their names, or where there is one by one of the `others`. */
function rowsFor(
  specs: readonly TensorSpec[],
  arrays: Arrays,
  others: readonly string[],
  scale: number,
): Taken[] {
  return specs.map((spec) => {
    const names = specs.length === 1 ? [spec.name, ...others] : [spec.name];
    const array = names.map((name) => arrays.get(name)).find((found) => found !== undefined);
    if (array === undefined)
      throw new Error(`it has no array '${spec.name}', only ${[...arrays.keys()].join(', ')}`);
    return spread(spec, array, scale);
  });
}

async function read<T>(path: string, use: (arrays: Arrays, bytes: Uint8Array) => T): Promise<T> {
  const bytes = await readFile(path).catch((error) => {
    throw unreadable(path, error);
  });
  try {
    return use(arraysOf(bytes), bytes);
  } catch (error) {
    throw new ConversionError('CONVERSION_BAD_SAMPLES', `${path}: ${(error as Error).message}`);
  }
}

const inputsOf = (signature: Signature, arrays: Arrays): Taken[] =>
  rowsFor(signature.inputs, arrays, ['x', 'x_test'], arrays.get('scale')?.data[0] ?? 1);

/**
 * Reads rows without their labels: `.npz` (arrays named as the inputs, or `x`, and optionally a scalar `scale`), `.npy`, or JSON lines.
 * @throws ConversionError CONVERSION_BAD_SAMPLES, CONVERSION_NO_SUCH_FILE
 */
export function readSampleRows(path: string, signature: Signature): Promise<SampleRows> {
  return read(path, (arrays, bytes) => ({
    inputs: inputsOf(signature, arrays).map(({ tensor }) => tensor),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }));
}

/**
 * Reads golden samples, rows with what the trained model answered to them: the same forms, with arrays named as the outputs too, or `y`.
 * @throws ConversionError CONVERSION_BAD_SAMPLES, CONVERSION_NO_SUCH_FILE
 */
export function readGoldenRows(
  path: string,
  signature: Signature,
): Promise<{ inputs: readonly Tensor[]; outputs: readonly Tensor[] }> {
  return read(path, (arrays) => {
    const inputs = inputsOf(signature, arrays);
    const outputs = rowsFor(signature.outputs, arrays, ['y', 'y_test'], 1);
    const all = [...inputs, ...outputs];
    if (new Set(all.map(({ total }) => total)).size !== 1) {
      const told = all.map(
        ({ spec, total, fileShape }) => `[${fileShape}] is ${total} rows of '${spec.name}' [${spec.shape}]`,
      );
      const isLabelled = new Set(all.map(({ fileShape }) => fileShape[0])).size === 1;
      throw new Error(
        `its arrays have different numbers of rows: ${told.join(', ')}${isLabelled ? '; classes are no answers, a labelled set goes to --labels' : ''}`,
      );
    }
    const [given, answered] = [inputs, outputs].map((each) => each.map(({ tensor }) => tensor)) as [
      Tensor[],
      Tensor[],
    ];
    return { inputs: given, outputs: answered };
  });
}
