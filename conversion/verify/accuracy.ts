import { ConversionError } from '../errors.ts';
import type { Accuracy, Signature, TensorSpec } from '../manifest/index.ts';
import { classOf, type LabelledSet } from './labelled-set.ts';
import { openSession, runSession, runtimeTensor } from './session.ts';

/** Rows per run: large enough to be fast, small enough for any model. */
const batchRows = 256;

/** The class that a model gives to each row of a labelled set; one input, and the first output's values are the classes'. */
export async function classify(
  model: Uint8Array | string,
  signature: Signature,
  set: LabelledSet,
): Promise<number[]> {
  const input = signature.inputs[0] as TensorSpec;
  const rowShape = input.shape.slice(1);
  const rowSize = rowShape.reduce((product, dim) => product * dim, 1);
  if (signature.inputs.length !== 1 || (rowShape.every((dim) => dim >= 0) && rowSize !== set.rowSize)) {
    throw new ConversionError(
      'CONVERSION_BAD_SAMPLES',
      `The model takes ${signature.inputs.map((spec) => `'${spec.name}' [${spec.shape}]`).join(', ')}, the set has rows of ${set.rowSize}`,
    );
  }
  const session = await openSession(model);
  try {
    const classes: number[] = [];
    for (let start = 0; start < set.rows; start += batchRows) {
      const rows = Math.min(batchRows, set.rows - start);
      const values = set.inputs.subarray(start * set.rowSize, (start + rows) * set.rowSize);
      const feeds = { [input.name]: runtimeTensor(input, [rows, ...rowShape], values) };
      const [output] = await runSession(session, feeds, [(signature.outputs[0] as TensorSpec).name]);
      const width = (output as { data: Float64Array }).data.length / rows;
      for (let row = 0; row < rows; row++) {
        classes.push(
          classOf((output as { data: Float64Array }).data.subarray(row * width, (row + 1) * width)),
        );
      }
    }
    return classes;
  } finally {
    await session.release();
  }
}

/** Top-1 accuracy of a model on a labelled set. */
export async function accuracyOf(
  model: Uint8Array | string,
  signature: Signature,
  set: LabelledSet,
): Promise<Accuracy> {
  const classes = await classify(model, signature, set);
  const right = classes.filter((label, row) => label === set.labels[row]).length;
  return { metric: 'top1', value: right / set.rows, samples: set.rows, labelsSha256: set.sha256 };
}
