import { ConversionError } from '../errors.ts';
import type { Accuracy, Signature, TensorSpec } from '../manifest/index.ts';
import type { VersionFiles } from '../version-files.ts';
import { classOf, type LabelledSet } from './labelled-set.ts';
import { rowShape } from './row-shape.ts';
import { openVersion, runSession, runtimeTensor } from './session.ts';

/** Rows per run: large enough to be fast, small enough for any model. */
const batchRows = 256;

interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** An artifact that is ready to run: one tensor per input of the signature, answers in the order of its outputs. */
export interface OpenModel {
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
  release(): Promise<void>;
}

/** Opens an ONNX version on onnxruntime. */
export async function openOnnx(files: VersionFiles, signature: Signature): Promise<OpenModel> {
  const session = await openVersion(files);
  return {
    run(inputs) {
      const feeds = signature.inputs.map((spec, i) => {
        const { shape, data } = inputs[i] as Tensor;
        return [spec.name, runtimeTensor(spec, shape, data)] as const;
      });
      return runSession(
        session,
        Object.fromEntries(feeds),
        signature.outputs.map((spec) => spec.name),
      );
    },
    release: () => session.release(),
  };
}

/** The class that a model gives to each row of a labelled set; one input, and the first output's values are the classes'. */
export async function classify(
  files: VersionFiles,
  signature: Signature,
  set: LabelledSet,
  open: typeof openOnnx = openOnnx,
): Promise<number[]> {
  const input = signature.inputs[0] as TensorSpec;
  const shape = rowShape(input.shape.slice(1), set.rowShape, set.rowSize);
  if (signature.inputs.length !== 1 || shape === undefined) {
    throw new ConversionError(
      'CONVERSION_BAD_SAMPLES',
      `The model takes ${signature.inputs.map((spec) => `'${spec.name}' [${spec.shape}]`).join(', ')}, the set has rows of ${set.rowSize}: [${set.rowShape}]`,
    );
  }
  const opened = await open(files, signature);
  try {
    const classes: number[] = [];
    for (let start = 0; start < set.rows; start += batchRows) {
      const rows = Math.min(batchRows, set.rows - start);
      const values = set.inputs.subarray(start * set.rowSize, (start + rows) * set.rowSize);
      const [output] = await opened.run([{ shape: [rows, ...shape], data: Float64Array.from(values) }]);
      const width = (output as Tensor).data.length / rows;
      for (let row = 0; row < rows; row++) {
        classes.push(classOf((output as Tensor).data.subarray(row * width, (row + 1) * width)));
      }
    }
    return classes;
  } finally {
    await opened.release();
  }
}

/** Top-1 accuracy of a model on a labelled set. */
export async function accuracyOf(
  files: VersionFiles,
  signature: Signature,
  set: LabelledSet,
  open: typeof openOnnx = openOnnx,
): Promise<Accuracy> {
  const classes = await classify(files, signature, set, open);
  const right = classes.filter((label, row) => label === set.labels[row]).length;
  return { metric: 'top1', value: right / set.rows, samples: set.rows, labelsSha256: set.sha256 };
}
