import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import type { KerasModel } from '../../../conversion/keras/model.ts';
import { identify, readSource } from '../../../conversion/readers/index.ts';
import type { Tensor } from '../../../conversion/tflite/evaluate/index.ts';
import type { Numbers } from './python.ts';

/** What the real frameworks said about a model (fixtures/make.py). */
export interface Expected {
  readonly inputs: readonly (Numbers & { dtype: string })[];
  /** Keras's answers in float64. */
  readonly outputs: readonly Numbers[];
  /** How far Keras's own float32 is from them. */
  readonly kerasError: number;
  /** Size of TFLiteConverter's file; null where it refuses the model. */
  readonly converterBytes: number | null;
  /** How far its float32 file is from them; null where it refuses the model, or that has several inputs or outputs. */
  readonly converterError?: number | null;
  /** What TFLiteConverter's own quantized files do on `testRows`, with `calibrationRows` where they learn ranges. */
  readonly quantized?: {
    /** Keras in float64 on `testRows`. */
    readonly reference: Numbers;
    readonly methods: Readonly<Record<string, { bytes: number; rms: number; max: number }>>;
  };
}

/** The values that fixtures/make.py gives to the quantized files, by their position. */
function grid(shape: readonly number[], start: number): Numbers & { dtype: string } {
  const count = shape.reduce((product, size) => product * size, 1);
  const data = Array.from({ length: count }, (_, k) => {
    const i = start + k;
    return ((i * 7919 + Math.floor(i / 13)) % 257) / 64 - 2;
  });
  return { shape, dtype: 'float32', data };
}

export const calibrationRows = (rowShape: readonly number[]) => grid([16, ...rowShape], 0);
export const testRows = (rowShape: readonly number[]) => grid([32, ...rowShape], 1_000_003);

const archive = unzipSync(readFileSync(new URL('./fixtures/models.zip', import.meta.url)));

/** Every recorded model by name, for example `keras3-dense`. */
export const expected = JSON.parse(new TextDecoder().decode(archive['expected.json'])) as Record<
  string,
  Expected
>;

/** Writes a recorded model's file. @returns its path */
export function writeModel(name: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.h5`);
  writeFileSync(path, archive[`${name}.h5`] as Uint8Array);
  return path;
}

export async function readModel(path: string): Promise<KerasModel> {
  const { model } = await readSource(await identify(path));
  if (model.kind !== 'keras') throw new Error(`${path} is no Keras model`);
  return model;
}

export const tensorOf = ({ shape, data }: Numbers): Tensor => ({ shape, data: Float64Array.from(data) });

/** Issue 6's bound: four times Keras's own float32 error, or 1e-5 of the largest answer where that is larger. */
export function errorOf(actual: readonly Numbers[], { outputs, kerasError }: Expected) {
  let error = 0;
  let scale = 0;
  outputs.forEach(({ data }, i) => {
    if (actual[i]?.data.length !== data.length) error = Number.POSITIVE_INFINITY;
    data.forEach((value, k) => {
      const difference = Math.abs((actual[i]?.data[k] ?? Number.NaN) - value);
      error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(error, difference);
      scale = Math.max(scale, Math.abs(value));
    });
  });
  return { error, allowed: Math.max(4 * kerasError, 1e-5 * scale) };
}

/**
 * Root of the mean square of the error, and what is no difference between two converters: float32 rounding, for float16 half a step of
 * the largest answer, since which of two roundings of the weights is nearer is chance.
 */
export function errorAgainst(reference: Numbers, actual: ArrayLike<number>, method: string) {
  const squares = reference.data.reduce((sum, value, i) => sum + ((actual[i] as number) - value) ** 2, 0);
  const scale = Math.max(...reference.data.map(Math.abs));
  return {
    rms: Math.sqrt(squares / reference.data.length),
    rounding: (method === 'float16' ? 2 ** -12 : 1e-5) * scale,
  };
}
