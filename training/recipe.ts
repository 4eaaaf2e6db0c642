import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { TrainingError } from './errors.ts';

/** `training.json` beside a trained model: how it is trained again (README.md). Paths are relative to its folder. */
const Recipe = z.strictObject({
  /** By name; `retrain --trainer NAME` chooses, the first is the default. `node` means the Node that runs modelmile. */
  trainers: z
    .record(
      z.string(),
      z.strictObject({
        command: z.array(z.string()).min(1),
        output: z.string().min(1),
        epochs: z.int().min(1).default(1),
      }),
    )
    .refine((trainers) => Object.keys(trainers).length > 0, { message: 'at least one trainer' }),
  /** .npz with x [N, ...], y [N] and optionally a scalar scale. */
  base: z.string().min(1),
  /** Labelled set that decides between champion and challenger; never trained on. */
  heldout: z.string().min(1),
  seed: z.int().default(0),
});

/** What a trainer is asked, as JSON. Every path is absolute. */
export interface TrainingJob {
  readonly model: string;
  readonly base: string;
  /** .npz with x [rows, rowSize] float32 as the model takes it, and y [rows] int32: the users' labels. */
  readonly feedback: string;
  /** Version folder of the champion: the weights to start from. */
  readonly champion: string;
  readonly output: string;
  readonly epochs: number;
  readonly seed: number;
}

export interface TrainingRecipe {
  readonly folder: string;
  readonly trainer: {
    readonly name: string;
    readonly command: readonly string[];
    readonly output: string;
    readonly epochs: number;
  };
  readonly base: string;
  readonly heldout: string;
  readonly seed: number;
}

/** @throws TrainingError TRAINING_NO_RECIPE, TRAINING_BAD_RECIPE */
export async function readRecipe(sourcePath: string, trainerName?: string): Promise<TrainingRecipe> {
  const folder = dirname(resolve(sourcePath));
  const path = join(folder, 'training.json');
  const text = await readFile(path, 'utf8').catch(() => {
    throw new TrainingError('TRAINING_NO_RECIPE', `${path} is not there`);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new TrainingError('TRAINING_BAD_RECIPE', `${path}: ${(error as Error).message}`);
  }
  const parsed = Recipe.safeParse(json);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new TrainingError('TRAINING_BAD_RECIPE', `${path}: ${faults.join('; ')}`);
  }
  const { trainers, base, heldout, seed } = parsed.data;
  const name = trainerName ?? Object.keys(trainers)[0] ?? '';
  const trainer = trainers[name];
  if (trainer === undefined) {
    throw new TrainingError(
      'TRAINING_BAD_RECIPE',
      `${path} has the trainers ${Object.keys(trainers).join(', ')}, not '${name}'`,
    );
  }
  return {
    folder,
    trainer: { name, ...trainer },
    base: join(folder, base),
    heldout: join(folder, heldout),
    seed,
  };
}
