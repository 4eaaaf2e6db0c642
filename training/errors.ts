/** What training refuses, and what to do next. */
export const errorTable = {
  TRAINING_NO_RECIPE:
    'Put a training.json beside the model: training/README.md says what stands in it, samples/digits has one.',
  TRAINING_BAD_RECIPE: 'Mend training.json; samples/digits has one that works.',
  TRAINING_NO_FEEDBACK:
    'Correct some answers on the console, or POST /v1/models/<model>:feedback, and run it again.',
  TRAINING_NO_FEEDBACK_FILE:
    'Write one with `modelmile feedback export`, or leave --feedback out to ask the running server.',
  TRAINING_TRAINER_FAILED:
    'Mend the trainer; training/README.md says what it is asked and what it must write.',
  TRAINING_OTHER_SIGNATURE:
    'Let the trainer keep names, types and shapes: clients ask by them. A model with others is a new source, not a challenger.',
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
