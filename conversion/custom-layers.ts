import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConversionError } from './errors.ts';
import type { LayerConverter } from './layers/layer.ts';
import type { Evaluate } from './verify/interpreter/index.ts';

/** A class that is not Keras's own: how it becomes ONNX and, worked out without a look at that, what it computes in float64. */
export interface CustomLayer {
  readonly convert: LayerConverter;
  readonly reference: Evaluate;
}

/** By Keras's class name. They come before the project's own. */
export type CustomLayers = Readonly<Record<string, CustomLayer>>;

const isCustomLayer = (value: unknown): value is CustomLayer =>
  ['convert', 'reference'].every(
    (name) => typeof (value as Record<string, unknown> | null)?.[name] === 'function',
  );

/**
 * The plug-in of `--custom`: a module whose default export has a row for each class. It runs as code of the user who names it.
 * @throws ConversionError CONVERSION_BAD_CUSTOM
 */
export async function readCustomLayers(path: string): Promise<CustomLayers> {
  const refused = (what: string) => new ConversionError('CONVERSION_BAD_CUSTOM', `${path}: ${what}`);
  const bytes = await readFile(path).catch((error: Error) => {
    throw refused(error.message);
  });
  // A changed file is another module: a process may outlive its first version.
  const version = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  let rows: unknown;
  try {
    rows = await defaultOf(`${pathToFileURL(resolve(path)).href}?${version}`);
  } catch (error) {
    throw refused((error as Error).message);
  }
  if (rows === null || typeof rows !== 'object') throw refused('it has no default export with layers');
  for (const [name, row] of Object.entries(rows)) {
    if (!isCustomLayer(row)) throw refused(`'${name}' needs both functions, convert and reference`);
  }
  return Object.fromEntries(
    Object.entries(rows as CustomLayers).map(([name, row]) => [
      name,
      {
        convert: guarded(answering(row.convert), (what) => refused(`convert of '${name}': ${what}`)),
        reference: guarded(row.reference, (what) => refused(`reference of '${name}': ${what}`)),
      },
    ]),
  );
}

/** The default export of a module, which may be TypeScript in a process that knows JavaScript alone. */
async function defaultOf(url: string): Promise<unknown> {
  let found: { default?: unknown };
  try {
    found = await import(url);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error;
    const { tsImport } = await import('tsx/esm/api');
    found = await tsImport(url, import.meta.url);
  }
  const rows = found.default as { default?: unknown } | undefined;
  // Without a package.json that says otherwise the file is CommonJS, which has its exports one deeper.
  return rows?.default ?? rows;
}

/** What is no tensor would be found out later, and put down to the model. */
const answering =
  (convert: LayerConverter): LayerConverter =>
  (layer) => {
    const made = convert(layer);
    const isTensor = (one: { name?: unknown } | undefined) => typeof one?.name === 'string';
    if (![made].flat().every(isTensor)) throw new Error('it returns no tensor');
    return made;
  };

/** A function of the user's, whose mistakes are told as such. */
function guarded<Input, Output>(
  run: (input: Input) => Output,
  refused: (what: string) => ConversionError,
): (input: Input) => Output {
  return (input) => {
    try {
      return run(input);
    } catch (error) {
      throw error instanceof ConversionError ? error : refused((error as Error).message);
    }
  };
}
