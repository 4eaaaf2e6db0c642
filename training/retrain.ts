import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  accuracyOf,
  type Conversion,
  convert,
  type KeptVersions,
  readLabelledSet,
} from '../conversion/index.ts';
import type { FeedbackRecord } from '../serving/contract/index.ts';
import { TrainingError } from './errors.ts';
import { type FeedbackSet, feedbackSet } from './feedback-set.ts';
import { encodeNpz } from './npz.ts';
import type { TrainingJob, TrainingRecipe } from './recipe.ts';

export interface RetrainArgs {
  readonly model: string;
  readonly recipe: TrainingRecipe;
  readonly feedback: AsyncIterable<FeedbackRecord>;
  /** What serves now. */
  readonly champion: Conversion;
  /** sha256 of the configured source, which a new champion stands in for. */
  readonly sourceSha256: string;
  readonly kept: KeptVersions;
  /** Folder for the job; removed afterwards. */
  readonly workDir: string;
  readonly method: string;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface RetrainResult {
  readonly promoted: boolean;
  readonly feedback: Pick<FeedbackSet, 'records' | 'skipped'> & { readonly rows: number };
  /** Top-1 on the held-out set. */
  readonly champion: { readonly digest: string; readonly accuracy: number };
  readonly challenger: { readonly digest: string; readonly accuracy: number };
}

/** Runs a trainer; what it prints is progress. @throws TrainingError TRAINING_TRAINER_FAILED */
async function runTrainer(recipe: TrainingRecipe, jobPath: string, args: RetrainArgs): Promise<void> {
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
      `Trainer '${recipe.trainer.name}' ended with ${code}: ${said.trim()}`,
    );
}

/**
 * Feedback and the base data make a challenger; it becomes champion only if it is not worse than the champion on the held-out set,
 * which neither was trained on. Promotion writes champion.json and nothing else: the next `up` serves it.
 * @throws TrainingError, ConversionError
 */
export async function retrain(args: RetrainArgs): Promise<RetrainResult> {
  const { model, recipe, champion, kept } = args;
  args.onProgress('reading the feedback');
  const set = await feedbackSet(args.feedback, champion.manifest);
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
      epochs: recipe.epochs,
      seed: recipe.seed,
    };
    await writeFile(job.feedback, encodeNpz(set.x, set.y));
    await writeFile(join(folder, 'job.json'), JSON.stringify(job, null, 2));
    args.onProgress(`training on the base data and ${set.y.length} corrections`);
    await runTrainer(recipe, join(folder, 'job.json'), args);
    args.onProgress('converting the challenger and comparing on the held-out set');
    const challenger = await convert(job.output, { method: args.method, labels: recipe.heldout });
    const heldout = await readLabelledSet(recipe.heldout);
    const accuracy = async (version: Conversion) =>
      (
        await accuracyOf(
          version.files.get('model.onnx') as Uint8Array,
          version.manifest.signatures['serving_default']!,
          heldout,
        )
      ).value;
    const before = await accuracy(champion);
    const after = await accuracy(challenger);
    const promoted = after >= before && challenger.digest !== champion.digest;
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
    return {
      promoted,
      feedback: { records: set.records, skipped: set.skipped, rows: set.y.length },
      champion: { digest: champion.digest, accuracy: before },
      challenger: { digest: challenger.digest, accuracy: after },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
