/** What training refuses, and what to do next. */
export const errorTable = {
  TRAINING_NO_RECIPE:
    'Put a training.json beside the model: training/recipe.ts says what stands in it, samples/digits has one.',
  TRAINING_BAD_RECIPE: 'Mend training.json; samples/digits has one that works.',
  TRAINING_NO_FEEDBACK:
    'Correct some answers on the console, or POST /v1/models/<model>:feedback, and run it again.',
  TRAINING_TRAINER_FAILED:
    'The lines above are what the trainer said; job.json in its folder is what it was asked.',
} as const satisfies Record<string, string>;

export type TrainingErrorCode = keyof typeof errorTable;

/** A refusal by training: a sentence and the way out. */
export class TrainingError extends Error {
  override readonly name = 'TrainingError';
  readonly code: TrainingErrorCode;

  constructor(code: TrainingErrorCode, message: string) {
    super(`${message.replace(/[.\s]*$/, '.')} ${errorTable[code]}`);
    this.code = code;
  }
}
