import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { convert } from './convert.ts';
import { type Conversion, type ConvertOptions, converterVersion } from './convert-once.ts';
import { processingBeside } from './processing.ts';
import { identify } from './readers/index.ts';
import { readVersion, writeVersion } from './version-folder.ts';

async function digestOf(path: string | undefined): Promise<string | null> {
  return path === undefined
    ? null
    : createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
}

/** Everything that the bytes of a conversion depend on. */
async function cacheKey(sourcePath: string, options: ConvertOptions): Promise<string> {
  const { sha256, format } = await identify(sourcePath);
  const { onProgress: _, labels, calibration, processing, ...rest } = options;
  const declared = processing ?? (await processingBeside(sourcePath));
  const inputs = {
    sha256,
    format,
    converterVersion,
    ...rest,
    // A file that is not there is told by the conversion itself.
    labels: await digestOf(labels).catch(() => 'gone'),
    calibration: await digestOf(calibration).catch(() => 'gone'),
    processing:
      typeof declared === 'object' ? JSON.stringify(declared) : await digestOf(declared).catch(() => 'gone'),
  };
  const ordered = JSON.stringify(
    inputs,
    Object.keys({ ...inputs, relativeError: 0, accuracyPoints: 0 }).sort(),
  );
  return createHash('sha256').update(ordered).digest('hex');
}

/**
 * Like `convert`, once per content: a second call with the same bytes and options reads the result of the first. Several processes
 * may share a cache folder. Layers of the user's own are converted every time.
 * @throws ConversionError as `convert` does; failures are not kept.
 */
export async function convertCached(
  sourcePath: string,
  options: ConvertOptions,
  cacheDir: string,
): Promise<Conversion> {
  // What a module of the user's imports is not known here.
  if (options.custom !== undefined) return convert(sourcePath, options);
  const folder = join(cacheDir, 'conversions', await cacheKey(sourcePath, options));
  const kept = await readVersion(folder).catch(() => undefined);
  if (kept !== undefined) return kept;
  const conversion = await convert(sourcePath, options);
  await writeVersion(conversion, folder);
  return conversion;
}
