import { classOf, type LabelledSet } from '../conversion/index.ts';
import { type Manifest, processedOutputs } from '../conversion/manifest/index.ts';
import { FeedbackRecord } from '../serving/contract/index.ts';

/** What became of the feedback: how much can be trained on, and why the rest cannot. */
export interface FeedbackSet {
  /** [rows, rowSize] */
  readonly x: Float32Array;
  readonly y: Int32Array;
  readonly records: number;
  /** Reason -> how many records. */
  readonly skipped: Readonly<Record<string, number>>;
}

export interface FeedbackSetArgs {
  readonly model: string;
  /** Of the champion: what an input looks like and which classes there are. */
  readonly manifest: Manifest;
  /** Decides between champion and challenger, so nothing of it may be trained on. */
  readonly heldout: LabelledSet;
}

/** What a row must look like. */
interface Fit extends Pick<FeedbackSetArgs, 'model'> {
  readonly rowSize: number;
  /** Name of what the model answers. */
  readonly output: string | undefined;
  /** Values of it for a row. */
  readonly width: number;
  /** Whether answers in words are words for it. */
  readonly isInWords: boolean;
  readonly classes: number;
  readonly labels: readonly string[] | undefined;
  readonly heldoutRows: ReadonlySet<string>;
}

/** Bytes of a row as float32, so that equal rows are equal keys. */
const rowKey = (row: ArrayLike<number>): string =>
  Buffer.from(Float32Array.from(row).buffer).toString('latin1');

/** The true class that a record tells; undefined where it tells none. */
function truthOf(record: FeedbackRecord, fit: Fit): number | undefined {
  const { labels, width } = fit;
  const { label, correction, rating } = record;
  if (typeof label === 'number') return label;
  if (label !== undefined) return indexOf(label, labels);
  if (correction !== undefined) return correction.length === width ? classOf(correction) : undefined;
  // Full marks say that the answer was right; anything less does not say what would have been.
  return rating === 1 ? answeredClass(record, fit) : undefined;
}

/** By the first of the words where it was answered in words, best first, else by the scores; undefined where the caller asked for neither. */
function answeredClass(
  { outputs }: FeedbackRecord,
  { labels, width, output, isInWords }: Fit,
): number | undefined {
  const words = outputs.find(({ name, dtype }) => name === processedOutputs.classes && dtype === 'string');
  if (words !== undefined) return isInWords ? indexOf(words.data[0], labels) : undefined;
  // Another version may have another name for what it answers.
  const isOwn = ({ name }: { name: string }) =>
    name === output || (outputs.length === 1 && !Object.hasOwn(processedOutputs, name));
  const scores = outputs.find(isOwn)?.data;
  const isWhole = scores !== undefined && (width > 0 ? scores.length === width : scores.length > 0);
  return isWhole && scores.every((score) => typeof score === 'number') ? classOf(scores) : undefined;
}

function indexOf(label: unknown, labels: readonly string[] | undefined): number | undefined {
  const index = labels?.indexOf(label as string) ?? -1;
  return index >= 0 ? index : undefined;
}

type Judged = { readonly x: readonly number[]; readonly y: number } | { readonly reason: string };

/** A row to train on, or why it is none. */
function judge(record: FeedbackRecord, fit: Fit): Judged {
  if (record.model !== fit.model) return { reason: 'about another model' };
  if (record.inputs === undefined) return { reason: 'inputs are not recorded (recordInputs is off)' };
  const x = record.inputs[0]?.data ?? [];
  if (record.inputs.length !== 1 || x.length !== fit.rowSize)
    return { reason: 'another shape than the model takes' };
  if (!x.every((value): value is number => typeof value === 'number' && Number.isFinite(Math.fround(value))))
    return { reason: 'a value that is not a finite number' };
  const y = truthOf(record, fit);
  if (y === undefined) return { reason: 'does not tell the true class' };
  if (y >= fit.classes) return { reason: 'a class that the model does not have' };
  if (fit.heldoutRows.has(rowKey(x))) return { reason: 'a row of the held-out set' };
  return { x, y };
}

/**
 * Feedback as a training set: of several records to one row the last one counts. Anyone who may ask may give feedback, so nothing is
 * taken on trust: what does not fit is left out and counted, by reason.
 */
export async function feedbackSet(
  records: AsyncIterable<unknown>,
  { model, manifest, heldout }: FeedbackSetArgs,
): Promise<FeedbackSet> {
  const signature = manifest.signatures['serving_default'];
  const width = signature?.outputs[0]?.shape.at(-1) ?? 0;
  const fit: Fit = {
    model,
    output: signature?.outputs[0]?.name,
    width,
    isInWords: manifest.postprocessing?.tensor === signature?.outputs[0]?.name,
    rowSize: (signature?.inputs[0]?.shape.slice(1) ?? []).reduce((product, size) => product * size, 1),
    classes: width > 0 ? Math.max(width, 2) : Number.POSITIVE_INFINITY,
    labels: manifest.labels,
    heldoutRows: new Set(
      Array.from({ length: heldout.rows }, (_, row) =>
        rowKey(heldout.inputs.subarray(row * heldout.rowSize, (row + 1) * heldout.rowSize)),
      ),
    ),
  };
  const rows = new Map<string, { x: readonly number[]; y: number }>();
  const skipped: Record<string, number> = {};
  let count = 0;
  for await (const each of records) {
    count += 1;
    const parsed = FeedbackRecord.safeParse(each);
    const judged = parsed.success ? judge(parsed.data, fit) : { reason: 'not a feedback record' };
    if ('reason' in judged) skipped[judged.reason] = (skipped[judged.reason] ?? 0) + 1;
    else if (parsed.success) rows.set(`${parsed.data.predictionId}:${parsed.data.row}`, judged);
  }
  const kept = [...rows.values()];
  const x = new Float32Array(kept.length * fit.rowSize);
  kept.forEach((row, i) => {
    x.set(row.x, i * fit.rowSize);
  });
  return { x, y: Int32Array.from(kept, (row) => row.y), records: count, skipped };
}
