import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConversionError } from '../errors.ts';
import type { Signature, TensorSpec } from '../manifest/index.ts';
import type { Tensor } from './interpreter/index.ts';
import { parseNpy, parseNpz } from './npy.ts';

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

/** JSON lines: `{"input": [...]}` for one input, `{"inputs": {"name": [...]}}` for several. */
function fromJsonLines(text: string): Arrays {
  const columns = new Map<string, number[][]>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const { input, inputs = { x: input } } = JSON.parse(line) as {
      input?: unknown;
      inputs?: Record<string, unknown>;
    };
    for (const [name, value] of Object.entries(inputs)) {
      const row = [value].flat(Number.POSITIVE_INFINITY) as number[];
      if (!row.every(Number.isFinite)) throw new Error('a row holds what is no number');
      columns.set(name, [...(columns.get(name) ?? []), row]);
    }
  }
  return new Map(
    [...columns].map(([name, rows]) => [
      name,
      { shape: [rows.length, rows[0]?.length ?? 0], data: Float64Array.from(rows.flat()) },
    ]),
  );
}

function arraysOf(bytes: Uint8Array): Arrays {
  if (bytes[0] === 0x93) return new Map([['x', parseNpy(bytes)]]);
  return bytes[0] === 0x50 ? parseNpz(bytes) : fromJsonLines(new TextDecoder().decode(bytes));
}

/** Rows spread evenly over the whole, for files are often sorted by class. */
function spread(
  spec: TensorSpec,
  array: { shape: readonly number[]; data: Float64Array },
  scale: number,
): Tensor {
  const rowShape = spec.shape.slice(1).map((size, axis) => (size >= 0 ? size : (array.shape[axis + 1] ?? 1)));
  const rowSize = rowShape.reduce((product, size) => product * size, 1);
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
  return { shape: [rows, ...rowShape], data };
}

/**
 * Reads rows without their labels: `.npz` (arrays named as the inputs, or `x`, and optionally a scalar `scale`), `.npy`, or JSON lines.
 * @throws ConversionError CONVERSION_BAD_SAMPLES
 */
export async function readSampleRows(path: string, signature: Signature): Promise<SampleRows> {
  try {
    const bytes = await readFile(path);
    const arrays = arraysOf(bytes);
    const scale = arrays.get('scale')?.data[0] ?? 1;
    const inputs = signature.inputs.map((spec) => {
      const array =
        arrays.get(spec.name) ??
        (signature.inputs.length === 1 ? (arrays.get('x') ?? arrays.get('x_test')) : undefined);
      if (array === undefined)
        throw new Error(`it has no array '${spec.name}', only ${[...arrays.keys()].join(', ')}`);
      return spread(spec, array, scale);
    });
    return { inputs, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    throw new ConversionError('CONVERSION_BAD_SAMPLES', `${path}: ${(error as Error).message}`);
  }
}
