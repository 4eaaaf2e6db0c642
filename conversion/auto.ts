import { type Conversion, type ConvertOptions, convertOnce } from './convert-once.ts';
import { ConversionError } from './errors.ts';
import { sizeOfArtifact } from './manifest/index.ts';
import { methods } from './methods/index.ts';
import { measureLatency } from './verify/latency.ts';
import { inMemory } from './version-files.ts';

/** What a candidate may cost, and what it did. */
export interface Candidate {
  readonly method: string;
  /** Undefined where the method is not for this model, or costs too much: `why` says so. */
  readonly conversion?: Conversion;
  readonly sizeBytes?: number;
  /** Of one row and of sixteen, medians on this machine, one thread. */
  readonly oneRowMs?: number;
  readonly sixteenRowsMs?: number;
  readonly maxRelError?: number;
  /** Share of the labelled set. */
  readonly accuracy?: number;
  /** Why it is not chosen; undefined for the chosen one and those that are just larger. */
  readonly why?: string;
}

export interface Choice {
  readonly chosen: Candidate & { readonly conversion: Conversion };
  readonly candidates: readonly Candidate[];
}

/** Measurements of the same thing differ by this much: a candidate counts as slower only beyond it. */
const noise = 1.1;

/** Refusals that rule a candidate out; any other is the user's to hear. */
const ruledOut: ReadonlySet<string> = new Set([
  'CONVERSION_UNSUPPORTED_METHOD',
  'CONVERSION_BUDGET_EXCEEDED',
]);

/** A conversion whole in memory, as it is measured: the next one wants the room on the disk. */
async function candidate(sourcePath: string, options: ConvertOptions): Promise<Conversion> {
  const conversion = await convertOnce(sourcePath, { ...options, onProgress: () => {} });
  return { ...conversion, files: inMemory(conversion.files) };
}

/**
 * Makes every candidate, measures each on the runtime that serves, and takes the smallest one that keeps the budget and is not slower
 * than float32, neither with one row nor with sixteen. Among equals in size the faster one. What is measured hangs on the machine: write the choice down (`recipe.json`) and
 * later conversions need not measure.
 */
export async function chooseMethod(sourcePath: string, options: ConvertOptions): Promise<Choice> {
  if ((options.target ?? 'onnx') !== 'onnx') {
    throw new ConversionError(
      'CONVERSION_BAD_OPTION',
      `Method 'auto' measures on the runtime that serves, which takes the target onnx alone; name a method of '${options.target}'`,
    );
  }
  const progress = options.onProgress ?? (() => {});
  const made: { method: string; conversion?: Conversion; why?: string }[] = [];
  for (const method of Object.keys(methods)) {
    progress(`auto: ${method}`);
    try {
      made.push({ method, conversion: await candidate(sourcePath, { ...options, method }) });
    } catch (error) {
      if (!(error instanceof ConversionError) || !ruledOut.has(error.code) || method === 'none') throw error;
      made.push({ method, why: error.message });
    }
  }
  progress('auto: measuring');
  const models = made.flatMap(({ conversion }) => (conversion === undefined ? [] : [conversion]));
  const times = await measureLatency(models);
  const candidates = made.map(({ method, conversion, why }): Candidate => {
    if (conversion === undefined) return { method, ...(why === undefined ? {} : { why }) };
    const { manifest } = conversion;
    return {
      method,
      conversion,
      sizeBytes: sizeOfArtifact(manifest),
      ...times.get(conversion)!,
      maxRelError: manifest.parity.maxRelError,
      ...(manifest.accuracy === undefined ? {} : { accuracy: manifest.accuracy.value }),
    };
  });
  const float = candidates[0]!;
  const judged = candidates.map((candidate) => ({ ...candidate, ...slowerThan(float, candidate) }));
  const fitting = judged.filter(({ conversion, why }) => conversion !== undefined && why === undefined);
  fitting.sort((a, b) => a.sizeBytes! - b.sizeBytes! || a.oneRowMs! - b.oneRowMs!);
  return { chosen: fitting[0] as Choice['chosen'], candidates: judged };
}

function slowerThan(float: Candidate, candidate: Candidate): { why?: string } {
  if (candidate.oneRowMs === undefined || candidate === float) return {};
  // A service runs whatever has come: one row, and sixteen where callers come at once.
  const [factor, rows] = [
    [candidate.oneRowMs / float.oneRowMs!, 'one row'] as const,
    [candidate.sixteenRowsMs! / float.sixteenRowsMs!, 'sixteen rows'] as const,
  ].reduce((a, b) => (b[0] > a[0] ? b : a));
  return factor > noise
    ? { why: `slower than float32 with ${rows} (${factor.toFixed(2)} times its time)` }
    : {};
}
