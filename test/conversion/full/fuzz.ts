import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConversionError } from '../../../conversion/errors.ts';
import { deviationsOf, type RecordedModel } from '../recorded.ts';

/** What random_models.py writes down of a case. */
interface RandomModel extends RecordedModel {
  readonly name: string;
  /** What Keras could not save of its own model, and why. */
  readonly unsaved: readonly string[];
  /** Classes of layers, those of models inside included. */
  readonly layers: readonly string[];
}

export interface FuzzFigures {
  readonly cases: number;
  readonly files: number;
  readonly right: number;
  /** File, what the answer is off by and the refusal or wrong answer in words. */
  readonly wrong: readonly string[];
  readonly refused: readonly string[];
  readonly unsaved: number;
  readonly layers: readonly string[];
  /** Of the largest error to what float32 may be off by, over all right files. */
  readonly worst: number;
}

/** Beyond this much of the largest value an answer is another model's, not a rounding of the right one. */
const wrongFrom = 1e-3;

async function judge(path: string, recorded: RandomModel): Promise<number> {
  const deviations = await deviationsOf(path, recorded);
  return deviations.reduce((worst, { error, allowed, largest }) => {
    // A step function may fall on either side where rounding decides; such cases are drawn rarely and show here.
    if (!(error <= Math.max(allowed, wrongFrom * largest)))
      throw new Error(`off by ${error}, the largest value is ${largest}, float32 may be off by ${allowed}`);
    return Math.max(worst, error / Math.max(allowed, Number.MIN_VALUE));
  }, 0);
}

/** Has a framework build and save random models, converts each file and compares it with the framework's own answers. */
export async function fuzzModels(
  python: string,
  framework: 'keras2' | 'keras3',
  first: number,
  count: number,
): Promise<FuzzFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-fuzz-'));
  try {
    const script = new URL('./random_models.py', import.meta.url).pathname;
    execFileSync(python, [script, framework, String(first), String(count), folder], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const cases = readFileSync(join(folder, 'cases.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as RandomModel);
    const wrong: string[] = [];
    const refused: string[] = [];
    let [right, worst] = [0, 0];
    for (const recorded of cases) {
      for (const file of recorded.files) {
        try {
          worst = Math.max(worst, await judge(join(folder, file), recorded));
          right++;
        } catch (error) {
          const { message } = error as Error;
          if (error instanceof ConversionError) refused.push(`${file}: ${error.code}: ${message}`);
          else wrong.push(`${file}: ${message}`);
        }
      }
    }
    return {
      cases: cases.length,
      files: cases.reduce((sum, { files }) => sum + files.length, 0),
      right,
      wrong,
      refused,
      unsaved: cases.reduce((sum, { unsaved }) => sum + unsaved.length, 0),
      layers: [...new Set(cases.flatMap(({ layers }) => layers))].sort(),
      worst,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
