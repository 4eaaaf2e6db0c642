import type { Signature } from '../manifest/index.ts';
import type { ModelProto } from '../onnx/index.ts';
import { tableSizes } from './input-bounds.ts';
import { answers } from './model-parity.ts';
import { openSizes, randomInputs } from './parity.ts';
import type { SampleRows } from './sample-rows.ts';

/**
 * Rows where the user has given none: standard normal, and whole numbers below the model's tables where it looks something up. Right
 * for inputs that are normalized, and only for those.
 */
export async function randomRows(
  model: ModelProto,
  signature: Signature,
  seed: number,
  wanted?: number,
): Promise<SampleRows> {
  let failure: unknown;
  for (const size of openSizes) {
    const rows = { inputs: randomInputs(signature, seed, tableSizes(model), size, wanted) };
    try {
      await answers(model, signature, rows);
      return rows;
    } catch (error) {
      // Some networks need more than a few steps or pixels.
      failure = error;
    }
  }
  throw failure;
}
