import { type FileHandle, open } from 'node:fs/promises';
import { TrainingError } from './errors.ts';

/**
 * What `modelmile feedback export` wrote, one JSON value a line. A line that is not JSON is `undefined`: `feedbackSet` counts it.
 * @throws TrainingError TRAINING_NO_FEEDBACK_FILE
 */
export async function* readFeedbackFile(path: string): AsyncGenerator<unknown> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw new TrainingError('TRAINING_NO_FEEDBACK_FILE', `${path}: ${(error as Error).message}`);
  }
  for await (const line of file.readLines()) {
    if (line.trim() === '') continue;
    try {
      yield JSON.parse(line);
    } catch {
      yield undefined;
    }
  }
}
