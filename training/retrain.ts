import { spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type Conversion,
  type ConvertOptions,
  classify,
  convert,
  type KeptVersions,
  type LabelledSet,
  readLabelledSet,
} from '../conversion/index.ts';
import { TrainingError } from './errors.ts';
import { type FeedbackSet, feedbackSet } from './feedback-set.ts';
import { encodeNpz } from './npz.ts';
import type { TrainingJob, TrainingRecipe } from './recipe.ts';

export interface RetrainArgs {
  readonly model: string;
  readonly recipe: TrainingRecipe;
  /** FeedbackRecords; anything else is left out and counted. */
  readonly feedback: AsyncIterable<unknown>;
  /** What serves now. */
  readonly champion: Conversion;
  /** sha256 of the configured source, which a new champion stands in for. */
  readonly sourceSha256: string;
  readonly kept: KeptVersions;
  /** Folder for the job; removed afterwards. */
  readonly workDir: string;
  /** How the challenger is converted, as the champion was. What is judged by, labels, comes from the recipe. */
  readonly conversion: ConvertOptions;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How a version does on the held-out set. */
export interface Standing {
  readonly digest: string;
  /** Share of the rows that it classifies as labelled. */
  readonly accuracy: number;
  /** The same for the rows of each class, by class; what the gate does not look at, and a person may want to. */
  readonly byClass: Readonly<Record<number, number>>;
}

export interface RetrainResult {
  readonly promoted: boolean;
  readonly feedback: Pick<FeedbackSet, 'records' | 'skipped'> & { readonly rows: number };
  readonly champion: Standing;
  readonly challenger: Standing;
}

async function standingOf(version: Conversion, heldout: LabelledSet): Promise<Standing> {
  const classes = await classify(version.files, version.manifest.signatures['serving_default']!, heldout);
  const right = new Map<number, number>();
  const rows = new Map<number, number>();
  heldout.labels.forEach((label, row) => {
    rows.set(label, (rows.get(label) ?? 0) + 1);
    if (classes[row] === label) right.set(label, (right.get(label) ?? 0) + 1);
  });
  const share = ([label, count]: [number, number]) => [label, (right.get(label) ?? 0) / count] as const;
  return {
    digest: version.digest,
    accuracy: [...right.values()].reduce((sum, count) => sum + count, 0) / heldout.rows,
    byClass: Object.fromEntries([...rows].sort(([a], [b]) => a - b).map(share)),
  };
}

/** @throws TrainingError TRAINING_OTHER_SIGNATURE */
function requireSameSignature(champion: Conversion, challenger: Conversion): void {
  const [was, is] = [champion, challenger].map(({ manifest }) =>
    JSON.stringify(manifest.signatures['serving_default']),
  );
  if (is !== was) {
    throw new TrainingError(
      'TRAINING_OTHER_SIGNATURE',
      `The challenger's signature is ${is}, the champion's ${was}`,
    );
  }
}

/** Runs a trainer; what it prints is progress. @throws TrainingError TRAINING_TRAINER_FAILED */
async function runTrainer(
  job: TrainingJob,
  jobPath: string,
  { recipe, ...args }: RetrainArgs,
): Promise<void> {
  const [command, ...rest] = recipe.trainer.command as [string, ...string[]];
  const child = spawn(command === 'node' ? process.execPath : command, [...rest, '--job', jobPath], {
    cwd: recipe.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: args.signal,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
      const line = text.trim().split('\n').at(-1);
      if (line) args.onProgress(line);
    });
  }
  const code = await new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
  if (code !== 0)
    throw new TrainingError(
      'TRAINING_TRAINER_FAILED',
      `Trainer '${recipe.trainer.name}' ended with ${code}: ${said.trim() || 'it said nothing'}`,
    );
  await access(job.output).catch(() => {
    throw new TrainingError(
      'TRAINING_TRAINER_FAILED',
      `Trainer '${recipe.trainer.name}' ended well but wrote no ${recipe.trainer.output}`,
    );
  });
}

/**
 * Feedback and the base data make a challenger. The gate: it becomes champion only if it is another model and its accuracy on the
 * held-out set, which neither was trained on, is the champion's or higher, without tolerance. Both are measured as they would be
 * served: converted, on ONNX Runtime. Promotion writes champion.json and nothing else: the next `up` serves it.
 * @throws TrainingError, ConversionError
 */
export async function retrain(args: RetrainArgs): Promise<RetrainResult> {
  const { model, recipe, champion, kept } = args;
  args.onProgress('reading the feedback');
  const heldout = await readLabelledSet(recipe.heldout);
  const set = await feedbackSet(args.feedback, { model, manifest: champion.manifest, heldout });
  if (set.y.length === 0) {
    const reasons = Object.entries(set.skipped).map(([reason, count]) => `${count}: ${reason}`);
    throw new TrainingError(
      'TRAINING_NO_FEEDBACK',
      `There is no feedback to train on (${set.records} records; ${reasons.join('; ') || 'none'})`,
    );
  }
  await mkdir(args.workDir, { recursive: true });
  const folder = await mkdtemp(join(args.workDir, 'job-'));
  try {
    await kept.keep(model, champion);
    const job: TrainingJob = {
      model,
      base: recipe.base,
      feedback: join(folder, 'feedback.npz'),
      champion: kept.folder(model, champion.digest),
      output: join(folder, recipe.trainer.output),
      epochs: recipe.trainer.epochs,
      seed: recipe.seed,
    };
    await writeFile(job.feedback, encodeNpz(set.x, set.y));
    await writeFile(join(folder, 'job.json'), JSON.stringify(job, null, 2));
    args.onProgress(`training on the base data and ${set.y.length} rows of feedback`);
    await runTrainer(job, join(folder, 'job.json'), args);
    args.onProgress('converting the challenger and comparing on the held-out set');
    const challenger = await convert(job.output, {
      ...args.conversion,
      labels: recipe.heldout,
      processing: champion.manifest,
    });
    requireSameSignature(champion, challenger);
    const before = await standingOf(champion, heldout);
    const after = await standingOf(challenger, heldout);
    const isAnother = !isDeepStrictEqual(challenger.manifest.artifact, champion.manifest.artifact);
    const promoted = isAnother && after.accuracy >= before.accuracy;
    if (promoted) {
      await kept.keep(model, challenger, [champion.digest]);
      await kept.crown({
        model,
        digest: challenger.digest,
        insteadOf: args.sourceSha256,
        reason: 'retrain',
        atMs: Date.now(),
      });
    }
    const feedback = { records: set.records, skipped: set.skipped, rows: set.y.length };
    return { promoted, feedback, champion: before, challenger: after };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
