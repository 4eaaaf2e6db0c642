import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConversionError, unreadable } from '../errors.ts';
import { parseNpz } from './npy.ts';
import { shapeOfRow } from './row-shape.ts';

/** Inputs with their true classes. */
export interface LabelledSet {
  /** Row-major; `inputs.length === rows * rowSize`. */
  readonly inputs: Float64Array;
  readonly rows: number;
  readonly rowSize: number;
  /** Of a row in the file. */
  readonly rowShape: readonly number[];
  readonly labels: readonly number[];
  /** Of the file's bytes. */
  readonly sha256: string;
}

type Content = Omit<LabelledSet, 'sha256'>;

function fromNpz(bytes: Uint8Array): Content {
  const arrays = parseNpz(bytes);
  const x = arrays.get('x') ?? arrays.get('x_test');
  const y = arrays.get('y') ?? arrays.get('y_test');
  if (x === undefined || y === undefined)
    throw new Error(`it has the arrays ${[...arrays.keys()].join(', ')}`);
  const rows = x.shape[0] ?? 0;
  const scale = arrays.get('scale')?.data[0] ?? 1;
  const classes = y.shape.length === 2 && (y.shape[1] as number) > 1 ? (y.shape[1] as number) : undefined;
  const labels = Array.from({ length: rows }, (_, row) =>
    classes === undefined
      ? (y.data[row] as number)
      : argmax(y.data.subarray(row * classes, (row + 1) * classes)),
  );
  // Scaled as the model's own pre-processing does it: in float32.
  const inputs = x.data.map((v) => Math.fround(v * scale));
  return { inputs, rows, rowSize: inputs.length / Math.max(rows, 1), rowShape: x.shape.slice(1), labels };
}

function fromJsonLines(bytes: Uint8Array): Content {
  const lines = new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const samples = lines.map((line) => JSON.parse(line) as { input: unknown; label: number });
  const rowsOfNumbers = samples.map(({ input }) => [input].flat(Number.POSITIVE_INFINITY) as number[]);
  const rowSize = rowsOfNumbers[0]?.length ?? 0;
  const [rowShape = [], ...otherShapes] = samples.map(({ input }) => shapeOfRow([input].flat()));
  const odd = rowsOfNumbers.findIndex(
    (row) => row.length !== rowSize || row.some((v) => typeof v !== 'number'),
  );
  if (odd >= 0) throw new Error(`line ${odd + 1} does not have ${rowSize} numbers`);
  const other = otherShapes.findIndex((shape) => String(shape) !== String(rowShape));
  if (other >= 0) throw new Error(`line ${other + 2} is [${otherShapes[other]}], line 1 [${rowShape}]`);
  return {
    inputs: Float64Array.from(rowsOfNumbers.flat()),
    rows: samples.length,
    rowSize,
    rowShape,
    labels: samples.map(({ label }) => label),
  };
}

/** Index of the largest value; the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

/** The class that an output names: the largest of several values, or whether a single one, a probability, is above a half. */
export const classOf = (output: ArrayLike<number>): number =>
  output.length === 1 ? Number((output[0] as number) > 0.5) : argmax(output);

/**
 * Reads a labelled set: `.npz` with `x` [N, ...], `y` [N] or one-hot [N, classes] and optionally a scalar `scale` (inputs are
 * x * scale, so that pixels can be stored as bytes), or JSON lines `{"input": [...], "label": 3}`.
 * @throws ConversionError CONVERSION_BAD_SAMPLES, CONVERSION_NO_SUCH_FILE
 */
export async function readLabelledSet(path: string): Promise<LabelledSet> {
  const bytes = await readFile(path).catch((error) => {
    throw unreadable(path, error);
  });
  try {
    const content = bytes[0] === 0x50 ? fromNpz(bytes) : fromJsonLines(bytes);
    if (content.rows === 0 || content.labels.some((label) => !Number.isInteger(label) || label < 0)) {
      throw new Error('it has no rows, or a label that is not a class index');
    }
    return { ...content, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    throw new ConversionError('CONVERSION_BAD_SAMPLES', `${path}: ${(error as Error).message}`);
  }
}
