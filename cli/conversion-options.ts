import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import * as z from 'zod';
import { type ConvertOptions, costOf, type GoldenCheck, targets } from '../conversion/index.ts';
import type { Option } from './command.ts';
import { CliError } from './errors.ts';

const methodNames = Object.entries(targets)
  .map(([target, { methods }]) => `${target}: ${Object.keys(methods).join(', ')}`)
  .join('; ');

export const customOption = {
  custom: {
    type: 'string',
    value: 'FILE',
    help: 'what layers of your own compute: see docs/conversion.md',
  },
} as const satisfies Record<string, Option>;

export const goldenOption = {
  golden: {
    type: 'string',
    value: 'FILE',
    help: 'rows with what the trained model answered to them (.npz with x and y, or .jsonl): checked before anything is written',
  },
} as const satisfies Record<string, Option>;

export const goldenLine = ({ samples, maxAbsError, tolerance }: GoldenCheck): string =>
  `golden  largest error ${maxAbsError.toExponential(2)} on ${samples} samples, allowed ${tolerance.toExponential(2)}`;

/** How a model is converted, for every command that converts. */
export const conversionOptions = {
  target: { type: 'string', value: 'NAME', help: 'onnx, which is served, or tflite', default: 'onnx' },
  method: { type: 'string', value: 'NAME', help: `${methodNames}; or auto (onnx)`, default: 'none' },
  prune: {
    type: 'string',
    value: 'HOW',
    help: 'before the method: dead, structured:0.5 (units), unstructured:0.8 (transfer size only)',
  },
  calibration: {
    type: 'string',
    value: 'FILE',
    help: 'rows of real data (.npz, .npy, .jsonl): what int8 learns ranges from and lossy methods are judged on',
  },
  labels: {
    type: 'string',
    value: 'FILE',
    help: 'labelled set (.npz, .jsonl): its accuracy goes into the manifest, its rows calibrate',
  },
  budget: {
    type: 'string',
    value: 'COST',
    help: 'what a lossy method may cost: error:0.05 (of the largest answer) or accuracy:0.5 (points on the labels)',
  },
  recipe: {
    type: 'string',
    value: 'FILE',
    help: 'recipe.json of an earlier `--method auto`: its choice again',
  },
  ...customOption,
} as const satisfies Record<string, Option>;

/** `recipe.json`: what `auto` chose, for later conversions to follow. */
export const Recipe = z.strictObject({
  recipeVersion: z.literal(1),
  method: z.string().min(1),
  prune: z.string().min(1).optional(),
});
export type Recipe = z.infer<typeof Recipe>;

async function readRecipe(path: string): Promise<Recipe> {
  try {
    return Recipe.parse(JSON.parse(await readFile(resolve(path), 'utf8')));
  } catch (error) {
    throw new CliError('CLI_USAGE', `--recipe '${path}' cannot be used: ${(error as Error).message}.`);
  }
}

/**
 * The files that options name, looked at before minutes of conversion: each as an absolute path, what was left out stays out.
 * @throws CliError CLI_NO_SUCH_FILE
 */
export async function readFileOptions<Name extends string>(
  options: Readonly<Record<string, unknown>>,
  names: readonly Name[],
): Promise<{ [name in Name]?: string }> {
  const files: { [name in Name]?: string } = {};
  for (const name of names) {
    const path = options[name] as string | undefined;
    if (path === undefined) continue;
    const found = await stat(resolve(path)).catch(() => undefined);
    if (found === undefined || found.isDirectory())
      throw new CliError('CLI_NO_SUCH_FILE', `--${name} '${path}': there is no such file.`);
    files[name] = resolve(path);
  }
  return files;
}

/** @throws CliError CLI_USAGE, CLI_NO_SUCH_FILE */
export async function readConversionOptions(
  options: Readonly<Record<string, unknown>>,
): Promise<ConvertOptions> {
  const text = (name: keyof typeof conversionOptions) => options[name] as string | undefined;
  const recipe = text('recipe');
  const { method, prune } =
    recipe === undefined
      ? { method: text('method') ?? 'none', prune: text('prune') }
      : await readRecipe(recipe);
  const budget = text('budget');
  return {
    target: text('target') ?? 'onnx',
    method,
    ...(prune === undefined ? {} : { prune }),
    ...(await readFileOptions(options, ['calibration', 'labels', 'custom'])),
    ...(budget === undefined ? {} : { budget: costOf(budget) }),
  };
}
