import type { Servable } from './engine/servable.ts';
import type { TensorValue } from './engine/tensor.ts';
import { ServingError } from './errors.ts';
import { type ClassScore, classScores } from './processing/class-scores.ts';
import { halfValue } from './wire/float16.ts';
import type { NumericData } from './wire/tensor.ts';

/** One class of one row; `label` is the manifest's name of it, or its number where there is none. */
export interface ScoredClass extends ClassScore {
  readonly label: string;
}

/**
 * The scores of each row, class by class: of an output `scores` where there is one, else of the only output.
 * @throws ServingError SERVING_BAD_SIGNATURE where the model gives nothing of the form [rows, classes]
 */
export function classesOf(servable: Servable, outputs: readonly TensorValue[]): ScoredClass[][] {
  const told = servable.processor?.postprocessing?.tensor ?? 'scores';
  const scores = outputs.find(({ name }) => name === told) ?? outputs[0];
  if (
    scores?.shape.length !== 2 ||
    scores.dtype === 'string' ||
    (scores.name !== told && (outputs.length > 1 || told !== 'scores'))
  ) {
    throw new ServingError(
      'SERVING_BAD_SIGNATURE',
      `Expected classification signature: ${servable.model} does not give scores by class`,
    );
  }
  const [rows = 0, classes = 0] = scores.shape;
  const { labels } = servable.manifest;
  return Array.from({ length: rows }, (_, row) => {
    const values = Array.from({ length: classes }, (_, index) => numberAt(scores, row * classes + index));
    return classScores(values, labels?.length ?? 0).map(({ index, score }) => ({
      index,
      label: labels?.[index] ?? String(index),
      score,
    }));
  });
}

/**
 * One value a row: of an output `outputs` where there is one, else of the only output.
 * @throws ServingError SERVING_BAD_SIGNATURE where the model gives more than one
 */
export function regressionsOf(servable: Servable, outputs: readonly TensorValue[]): number[] {
  const values = outputs.find(({ name }) => name === 'outputs') ?? outputs[0];
  const rows = values?.shape[0] ?? 0;
  const isSingle = outputs.length === 1 || values?.name === 'outputs';
  if (!values || !isSingle || values.dtype === 'string' || values.data.length !== rows) {
    throw new ServingError(
      'SERVING_BAD_SIGNATURE',
      `Expected regression signature: ${servable.model} does not give one value a row`,
    );
  }
  return Array.from({ length: rows }, (_, row) => numberAt(values, row));
}

function numberAt({ dtype, data }: TensorValue, index: number): number {
  const value = Number((data as NumericData)[index]);
  return dtype === 'float16' ? halfValue(value) : value;
}
