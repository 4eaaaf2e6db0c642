import type { FeedbackRequest, PredictionRecord } from '../contract/index.ts';
import type { Servable } from '../engine/servable.ts';

/** Why each loaded version of a model could never be trained on some feedback, by digest; undefined where one of them could be. */
export type Misfits = Readonly<Record<string, string>> | undefined;

/** Feedback as a worker hands it on, with what the versions that it has loaded say against it. */
export interface GivenFeedback {
  readonly model: string;
  readonly request: FeedbackRequest;
  readonly misfits: Misfits;
}

/** What feedback to one row can say. Undefined is what nobody knows, and what is refused to nobody. */
interface Form {
  /** Whose it is, as a sentence begins. */
  readonly whose: string;
  /** The classes' names; none where they have none. */
  readonly names: readonly string[] | undefined;
  readonly classes: number | undefined;
  /** How many values a correction may have; the whole row first. */
  readonly lengths: readonly number[] | undefined;
}

interface Output {
  /** Last dimension; undefined where it is open or no dimension of a row. */
  readonly width: number | undefined;
  /** Values of a row; undefined where that depends on the request. */
  readonly size: number | undefined;
}

/** Names of classes that a refusal lists. */
const listed = 12;
/** One score is that of the second of two classes. */
const fewestClasses = 2;

/** Of several outputs the feedback does not say which it means: what fits one of them fits. */
function formOf(whose: string, outputs: readonly Output[], names: readonly string[] | undefined): Form {
  const widths = outputs.flatMap(({ width }) => width ?? []);
  const sizes = outputs.flatMap(({ size }) => size ?? []);
  const areWidthsKnown = widths.length > 0 && widths.length === outputs.length;
  const areSizesKnown = sizes.length > 0 && sizes.length === outputs.length;
  const all = sizes.reduce((sum, size) => sum + size, 0);
  return {
    whose,
    names,
    classes:
      areWidthsKnown || (names?.length ?? 0) > 0
        ? Math.max(fewestClasses, names?.length ?? 0, ...widths)
        : undefined,
    // Retraining takes a value for each class, of an answer with several of them for a row too.
    lengths: areSizesKnown ? [...sizes, ...widths, all] : undefined,
  };
}

const count = (shape: readonly number[]): number | undefined =>
  shape.some((size) => size < 0) ? undefined : shape.reduce((product, size) => product * size, 1);

function formOfVersion({ model, version, manifest, signature }: Servable): Form {
  const outputs = signature.outputs.map(({ shape }): Output => {
    const width = shape.at(-1) ?? -1;
    return { width: width > 0 ? width : undefined, size: count(shape[0] === -1 ? shape.slice(1) : shape) };
  });
  return formOf(`Version ${version} of model ${model}`, outputs, manifest.labels ?? []);
}

/** What was answered may be some of the outputs only, or words instead of them: words tell nothing. */
function formOfRecord({ rows, outputs, model, version }: PredictionRecord): Form {
  const isTold = outputs.every(({ dtype }) => dtype !== 'string');
  const told = outputs.map(
    ({ shape, data }): Output => ({
      width: shape.length > 1 ? shape.at(-1) : undefined,
      size: data.length / rows,
    }),
  );
  return formOf(`The answer of version ${version} of model ${model}`, isTold ? told : [], undefined);
}

/** Labels that would have been taken. */
function labelsOf({ names = [], classes }: Form): string {
  const index = classes === undefined ? 'an index from 0' : `an index from 0 to ${classes - 1}`;
  if (names.length === 0) return index;
  const shown = names.slice(0, listed).map((name) => JSON.stringify(name));
  return `${index}, or a name: ${shown.join(', ')}${names.length > listed ? ', ...' : ''}`;
}

/** Why feedback tells no truth of a row; undefined where it does. A rating always does. */
function misfit(form: Form, { label, correction }: FeedbackRequest): string | undefined {
  const { whose, names, classes, lengths } = form;
  const isUnknown =
    typeof label === 'string'
      ? names !== undefined && !names.includes(label)
      : label !== undefined && classes !== undefined && label >= classes;
  if (isUnknown) return `${whose} has no class ${JSON.stringify(label)}; a label is ${labelsOf(form)}`;
  if (correction === undefined || lengths === undefined || lengths.includes(correction.length))
    return undefined;
  return `${whose} has ${lengths[0]} values a row, the correction has ${correction.length}; it has all true values of the row, in their order`;
}

/** What the versions that are loaded say against some feedback. */
export function misfitsOf(versions: Iterable<Servable>, request: FeedbackRequest): Misfits {
  const reasons: Record<string, string> = {};
  for (const version of versions) {
    const reason = misfit(formOfVersion(version), request);
    // Retraining starts from what serves then: it is enough that one of them understands it.
    if (reason === undefined) return undefined;
    reasons[version.digest] = reason;
  }
  return reasons;
}

/** Why feedback to a prediction can never be used; undefined where it may be. The version that answered may be loaded no more. */
export function refusalOf(
  prediction: PredictionRecord,
  request: FeedbackRequest,
  misfits: Misfits,
): string | undefined {
  if (misfits === undefined) return undefined;
  return misfits[prediction.digest] ?? misfit(formOfRecord(prediction), request);
}
