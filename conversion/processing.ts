import { access, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type * as z from 'zod';
import { ConversionError } from './errors.ts';
import { type Processing, ProcessingFile, processingFaults, type Signature } from './manifest/index.ts';

/** How many classes are told where the file does not say: all of a few. */
const topByDefault = 5;

/** `model.processing.json` beside `model.h5`; undefined where there is none. */
export async function processingBeside(sourcePath: string): Promise<string | undefined> {
  const path = join(dirname(sourcePath), `${basename(sourcePath, extname(sourcePath))}.processing.json`);
  return access(path).then(
    () => path,
    () => undefined,
  );
}

type Issue = z.core.$ZodIssue;

/** What is wrong and where; of an input that is neither picture nor columns, in the form that it comes nearest to. */
function faultsOf(issue: Issue, at: readonly PropertyKey[]): string[] {
  const path = [...at, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) {
    return [`${path.join('.') || '(top)'}: ${issue.message}`];
  }
  const depth = (issues: readonly Issue[]) => Math.max(...issues.map((each) => each.path.length));
  const nearest = issue.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a));
  return nearest.flatMap((each) => faultsOf(each, path));
}

async function readProcessing(path: string): Promise<ProcessingFile> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ConversionError('CONVERSION_BAD_PROCESSING', `${path}: ${(error as Error).message}`);
  }
  const parsed = ProcessingFile.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) => faultsOf(issue, []));
  throw new ConversionError('CONVERSION_BAD_PROCESSING', `${path}: ${faults.join('; ')}`);
}

/**
 * What the file says of a model, checked against its signature: shapes, element types, number of labels, categories.
 * @throws ConversionError CONVERSION_BAD_PROCESSING with everything that does not fit
 */
export async function processingOf(declared: string | Processing, signature: Signature): Promise<Processing> {
  const isFile = typeof declared === 'string';
  const processing = isFile ? await fromFile(declared, signature) : pick(declared);
  const faults = processingFaults(signature, processing);
  if (faults.length === 0) return processing;
  const where = isFile ? declared : 'The processing of the other version';
  throw new ConversionError('CONVERSION_BAD_PROCESSING', `${where}: ${faults.join('; ')}`);
}

function pick({ preprocessing, postprocessing, labels }: Processing): Processing {
  return {
    ...(labels && { labels }),
    ...(preprocessing && { preprocessing }),
    ...(postprocessing && { postprocessing }),
  };
}

async function fromFile(path: string, signature: Signature): Promise<Processing> {
  const { inputs, output } = await readProcessing(path);
  const [only] = signature.outputs;
  const tensor = output?.tensor ?? (signature.outputs.length === 1 ? only?.name : undefined);
  if (output !== undefined && tensor === undefined) {
    const names = signature.outputs.map(({ name }) => `'${name}'`).join(', ');
    throw new ConversionError(
      'CONVERSION_BAD_PROCESSING',
      `${path}: output.tensor must say which of ${names} holds the scores`,
    );
  }
  return {
    ...(Object.keys(inputs).length > 0 && { preprocessing: inputs }),
    ...(output !== undefined &&
      tensor !== undefined && {
        labels: output.labels,
        postprocessing: { tensor, top: Math.min(output.top ?? topByDefault, output.labels.length) },
      }),
  };
}
