import { argmax } from '../conversion/index.ts';
import type { Manifest } from '../conversion/manifest/index.ts';
import type { FeedbackRecord } from '../serving/contract/index.ts';

/** What became of the feedback: how much can be trained on, and why the rest cannot. */
export interface FeedbackSet {
  /** [rows, rowSize] */
  readonly x: Float32Array;
  readonly y: Int32Array;
  readonly records: number;
  /** Reason -> how many records. */
  readonly skipped: Readonly<Record<string, number>>;
}

/** The true class that a record tells; undefined where it tells none. */
function classOf(record: FeedbackRecord, labels: readonly string[] | undefined): number | undefined {
  if (typeof record.label === 'number') return record.label;
  if (typeof record.label === 'string') {
    const index = labels?.indexOf(record.label) ?? -1;
    return index >= 0 ? index : undefined;
  }
  if (record.correction !== undefined) return argmax(record.correction);
  // Full marks say that the answer was right; anything less does not say what would have been.
  const answer = record.outputs[0]?.data;
  return record.rating === 1 && answer !== undefined ? argmax(answer as number[]) : undefined;
}

/**
 * Feedback as a training set. Of several records to one row the last one counts. A record that does not fit the model (no inputs,
 * another shape, a value that is not a finite number, a class that there is not) is skipped and counted.
 */
export async function feedbackSet(
  records: AsyncIterable<FeedbackRecord>,
  manifest: Manifest,
): Promise<FeedbackSet> {
  const signature = manifest.signatures['serving_default'];
  const rowSize = (signature?.inputs[0]?.shape.slice(1) ?? []).reduce((product, size) => product * size, 1);
  const classes = signature?.outputs[0]?.shape.at(-1) ?? 0;
  const rows = new Map<string, { x: number[]; y: number }>();
  const skipped: Record<string, number> = {};
  let count = 0;
  for await (const record of records) {
    count += 1;
    const inputs = record.inputs?.[0]?.data as readonly unknown[] | undefined;
    const label = classOf(record, manifest.labels);
    const reason =
      inputs === undefined
        ? 'inputs are not recorded'
        : inputs.length !== rowSize || record.inputs?.length !== 1
          ? 'another shape than the model takes'
          : inputs.some((value) => typeof value !== 'number' || !Number.isFinite(value))
            ? 'a value that is not a finite number'
            : label === undefined
              ? 'it does not tell the true class'
              : label >= classes
                ? 'a class that the model does not have'
                : undefined;
    if (reason === undefined)
      rows.set(`${record.predictionId}:${record.row}`, { x: inputs as number[], y: label as number });
    else skipped[reason] = (skipped[reason] ?? 0) + 1;
  }
  const kept = [...rows.values()];
  const x = new Float32Array(kept.length * rowSize);
  kept.forEach((row, i) => {
    x.set(row.x, i * rowSize);
  });
  return { x, y: Int32Array.from(kept, (row) => row.y), records: count, skipped };
}
