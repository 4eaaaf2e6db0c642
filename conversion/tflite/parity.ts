import { ConversionError } from '../errors.ts';
import type { KerasModel } from '../keras/model.ts';
import type { Parity, Signature } from '../manifest/index.ts';
import { runReference } from '../verify/interpreter/index.ts';
import { type Budget, compare, isClose, randomInputs } from '../verify/parity.ts';
import { evaluate, type Tensor } from './evaluate/index.ts';
import type { TfliteConversion } from './from-keras.ts';
import { readTflite } from './read.ts';

/** Whatever keeps the gate from judging is a failure of the gate, never a pass. */
function judged<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ConversionError) throw error;
    throw new ConversionError('CONVERSION_PARITY_FAILED', `Parity: ${what}: ${(error as Error).message}`);
  }
}

/** How strictly a file is judged, and over which inputs. */
export interface Judgement {
  readonly seed: number;
  readonly budget: Budget;
  /** The method that made the file less than exact. */
  readonly method?: string;
  /** Rows that stand for real inputs, one tensor for each input. Default: seeded random ones. */
  readonly rows?: readonly Tensor[];
}

/** Rows of those that are given, spread evenly, as many as there are random ones: the reference takes its time for each. */
function inputsFrom(rows: readonly Tensor[], signature: Signature, random: readonly Tensor[]): Tensor[] {
  const [given, most] = [rows, random].map(([first]) => first?.shape[0] ?? 1) as [number, number];
  if (given < most && signature.inputs.some(({ shape }) => (shape[0] ?? -1) > 0))
    throw new ConversionError('CONVERSION_BAD_SAMPLES', `${given} rows, the model takes ${most} at once`);
  const count = Math.min(given, most);
  return rows.map(({ shape, data }) => {
    const size = data.length / given;
    const picked = new Float64Array(count * size);
    for (let row = 0; row < count; row++) {
      const from = Math.floor((row * given) / count) * size;
      for (let i = 0; i < size; i++) picked[row * size + i] = data[from + i] as number;
    }
    return { shape: [count, ...shape.slice(1)], data: picked };
  });
}

/**
 * Judges a .tflite file by the float64 reference of the Keras config, over rows that are given or seeded random ones. The file's own
 * bytes are read back and run by the definitions of TFLite's operators, so a mistake of the writer counts as much as one of a layer.
 * @throws ConversionError CONVERSION_PARITY_FAILED naming the first layer that diverges; CONVERSION_BUDGET_EXCEEDED for a method that
 *   costs more than was allowed.
 */
export function tfliteParity(
  source: KerasModel,
  { trace }: TfliteConversion,
  bytes: Uint8Array,
  signature: Signature,
  { seed, budget, method, rows }: Judgement,
): Parity {
  const random = randomInputs(signature, seed);
  const inputs = rows === undefined ? random : inputsFrom(rows, signature, random);
  const reference = judged('the reference cannot run the model', () => runReference(source, inputs));
  const values = new Map<string, Tensor>();
  const outputs = judged('the written file cannot be run', () =>
    evaluate(readTflite(bytes, 'the written file'), inputs, {
      onValue: (tensor, value) => values.set(tensor, value),
    }),
  );
  const result = compare(outputs, reference.outputs, budget, seed);
  if (result.passed) return { reference: 'float64-interpreter', ...result };
  if (method !== undefined) {
    throw new ConversionError(
      'CONVERSION_BUDGET_EXCEEDED',
      `Method '${method}' moves the answers by ${(100 * result.maxRelError).toFixed(2)} % of their size, allowed are ${100 * budget.relativeError} %`,
    );
  }
  const wrong = trace.find(({ at, tensor }) => {
    const [actual, expected] = [values.get(tensor), reference.values.get(at)];
    return actual !== undefined && expected !== undefined && !isClose(actual, expected);
  });
  const where =
    wrong === undefined ? '' : `; the first layer that differs is '${wrong.at.replace(/:\d+$/, '')}'`;
  throw new ConversionError(
    'CONVERSION_PARITY_FAILED',
    `Parity: the answers differ by ${result.maxAbsError.toExponential(2)}, allowed are ${result.tolerance.toExponential(2)}${where}`,
  );
}
