import type { Conversion } from './convert-once.ts';
import { ConversionError } from './errors.ts';
import { defaultSignatureName, type Parity } from './manifest/index.ts';
import { targets } from './targets/index.ts';
import type { Tensor } from './verify/interpreter/index.ts';
import { compare } from './verify/parity.ts';
import { readGoldenRows } from './verify/sample-rows.ts';

/** Golden answers are float32 as well: both sides round. */
const leastAllowed = 1e-4;

/** What the gate allowed, as a share of the largest answer. */
const allowedBy = ({ tolerance, maxAbsError, maxRelError }: Parity): number =>
  maxAbsError > 0 ? (tolerance / maxAbsError) * maxRelError : 0;

/** Of a version that was judged by its accuracy alone: what a lossy method may cost where nothing else is said. */
const lossyAllowed = 0.05;

const rowsAtOnce = 32;

const rowsOf = ({ shape, data }: Tensor, start: number, count: number): Tensor => {
  const size = data.length / (shape[0] as number);
  return { shape: [count, ...shape.slice(1)], data: data.subarray(start * size, (start + count) * size) };
};

/** What golden samples say of a version. */
export interface GoldenCheck {
  readonly samples: number;
  readonly maxAbsError: number;
  readonly tolerance: number;
}

/**
 * Holds a version against what the trained model itself answered (`verify/sample-rows.ts` has the forms of the file), as strictly as
 * the gate held it.
 * @throws ConversionError CONVERSION_GOLDEN_FAILED, or CONVERSION_BAD_SAMPLES
 */
export async function checkGolden({ manifest, files }: Conversion, path: string): Promise<GoldenCheck> {
  const signature = manifest.signatures[defaultSignatureName]!;
  const { artifact, parity } = manifest;
  const { inputs, outputs } = await readGoldenRows(path, signature);
  const allowed = allowedBy(parity);
  const budget = { relativeError: allowed > 1 ? lossyAllowed : Math.max(leastAllowed, allowed) };
  // A model whose batch is fixed takes just that many rows.
  const fixed = Math.max(...signature.inputs.map(({ shape }) => shape[0] ?? -1));
  const step = fixed > 0 ? fixed : rowsAtOnce;
  const given = inputs[0]?.shape[0] ?? 0;
  const samples = fixed > 0 ? given - (given % fixed) : given;
  if (samples === 0) {
    throw new ConversionError(
      'CONVERSION_BAD_SAMPLES',
      `${path}: ${given} rows, the model takes ${fixed} at once`,
    );
  }
  const opened = await targets[artifact.format].open(files, signature);
  try {
    let worst: GoldenCheck = { samples, maxAbsError: 0, tolerance: 0 };
    for (let start = 0; start < samples; start += step) {
      const part = (tensor: Tensor) => rowsOf(tensor, start, Math.min(step, samples - start));
      const seen = compare(await opened.run(inputs.map(part)), outputs.map(part), budget, 0);
      if (!seen.passed) {
        throw new ConversionError(
          'CONVERSION_GOLDEN_FAILED',
          `${path}, from row ${start} on: the answers differ by ${seen.maxAbsError.toExponential(2)}, allowed are ${seen.tolerance.toExponential(2)}`,
        );
      }
      if (seen.maxAbsError >= worst.maxAbsError)
        worst = { samples, maxAbsError: seen.maxAbsError, tolerance: seen.tolerance };
    }
    return worst;
  } finally {
    await opened.release();
  }
}
