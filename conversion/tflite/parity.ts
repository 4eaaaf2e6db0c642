import { ConversionError } from '../errors.ts';
import type { KerasModel } from '../keras/model.ts';
import type { Parity, Signature } from '../manifest/index.ts';
import { runReference } from '../verify/interpreter/index.ts';
import { compare, exactBudget, isClose, randomInputs } from '../verify/parity.ts';
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

/**
 * Judges a .tflite file by the float64 reference of the Keras config, over seeded random inputs. The file's own bytes are read back
 * and run by the definitions of TFLite's operators, so a mistake of the writer counts as much as one of a layer.
 * @throws ConversionError CONVERSION_PARITY_FAILED naming the first layer that diverges.
 */
export function tfliteParity(
  source: KerasModel,
  { trace }: TfliteConversion,
  bytes: Uint8Array,
  signature: Signature,
  seed: number,
): Parity {
  const inputs = randomInputs(signature, seed);
  const reference = judged('the reference cannot run the model', () => runReference(source, inputs));
  const values = new Map<string, Tensor>();
  const outputs = judged('the written file cannot be run', () =>
    evaluate(readTflite(bytes, 'the written file'), inputs, {
      onValue: (tensor, value) => values.set(tensor, value),
    }),
  );
  const result = compare(outputs, reference.outputs, exactBudget, seed);
  if (result.passed) return { reference: 'float64-interpreter', ...result };
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
