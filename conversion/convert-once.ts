import type { Cost } from './budget.ts';
import { readCustomLayers } from './custom-layers.ts';
import { ConversionError, ofSound } from './errors.ts';
import {
  type Accuracy,
  encodeManifest,
  type Manifest,
  manifestDigest,
  type Processing,
} from './manifest/index.ts';
import { processingBeside, processingOf } from './processing.ts';
import { identify, readSource } from './readers/index.ts';
import { targets } from './targets/index.ts';
import type { Target, TargetRequest } from './targets/target.ts';
import { accuracyOf } from './verify/accuracy.ts';
import { readLabelledSet } from './verify/labelled-set.ts';
import { sha256Of, type VersionFiles } from './version-files.ts';

/** Bump when the same source and options give other bytes: it is part of every cache key. */
export const converterVersion = '0.4.9';

/** The source's conversion = f(parameters, structure, method): the source file is the first two. */
export interface ConvertOptions {
  /** A row of targets/index.ts. Default `onnx`. */
  readonly target?: string;
  /** One of the target's methods. Default `none`. */
  readonly method?: string;
  /** Rows that stand for real inputs (.npz, .npy, .jsonl): calibration, and what a lossy method is judged on. Default: the labelled set. */
  readonly calibration?: string;
  /** `dead`, `structured:<share>` or `unstructured:<share>`: units or weights that go before the method. */
  readonly prune?: string;
  /** Labelled set (.npz, .jsonl): accuracy goes into the manifest. */
  readonly labels?: string;
  /** Seed of the random parity inputs. Default 0. */
  readonly seed?: number;
  /** What a lossy method may cost. Default: answers off by at most 5 % of their size. */
  readonly budget?: Cost;
  /**
   * How pictures and named columns become inputs, and scores become words: a file, or what the manifest of another version says.
   * Default: `<model>.processing.json` beside the source, where there is one.
   */
  readonly processing?: string | Processing;
  /** Path of a module that says what classes of the user's own compute (custom-layers.ts). */
  readonly custom?: string;
  /** Bytes of weights that go into model.onnx itself; beyond, all of them go into model.onnx.data. Default 1.5e9. */
  readonly mostInlineBytes?: number;
  readonly onProgress?: (step: string) => void;
}

/** One model version; large weights may wait on the disk. */
export interface Conversion {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  /** sha256 of manifestBytes: the version's identity. */
  readonly digest: string;
  /** By file name, manifest.json included. */
  readonly files: VersionFiles;
}

const defaultBudget = { relativeError: 0.05 };
const unlimited = { relativeError: Number.MAX_VALUE };

/** A method of the target onnx that chooses one of the others. */
export const chosenByMeasurement = 'auto';

/** A row of targets/index.ts that knows the method. */
function targetFor(name: string, method: string): Target {
  if (!Object.hasOwn(targets, name)) {
    throw new ConversionError(
      'CONVERSION_BAD_OPTION',
      `target '${name}' is not one of ${Object.keys(targets).join(', ')}`,
    );
  }
  const target: Target = targets[name as keyof typeof targets];
  if (Object.hasOwn(target.methods, method)) return target;
  const names = [...Object.keys(target.methods), ...(name === 'onnx' ? [chosenByMeasurement] : [])];
  throw new ConversionError(
    'CONVERSION_BAD_OPTION',
    `method '${method}' of target '${name}' is not one of ${names.join(', ')}`,
  );
}

function artifactFile(files: VersionFiles, name: string): Manifest['artifact']['model'] | undefined {
  const found = files.get(name);
  return found && { file: name, sha256: sha256Of(found), sizeBytes: found.length };
}

/** Percentage points that a lossy conversion may lose are judged against the exact one. */
async function holdAccuracy(
  accuracy: Accuracy | undefined,
  sourcePath: string,
  { budget, prune, ...options }: ConvertOptions,
): Promise<void> {
  if (budget === undefined || !('accuracyPoints' in budget)) return;
  if (accuracy === undefined) {
    throw new ConversionError(
      'CONVERSION_BAD_OPTION',
      'A budget in points of accuracy needs a labelled set (--labels)',
    );
  }
  if (prune === undefined && (options.method ?? 'none') === 'none') return;
  const exact = await convertOnce(sourcePath, { ...options, method: 'none' });
  const lost = 100 * (exact.manifest.accuracy!.value - accuracy.value);
  if (lost > budget.accuracyPoints) {
    throw new ConversionError(
      'CONVERSION_BUDGET_EXCEEDED',
      `Method '${options.method ?? 'none'}' loses ${lost.toFixed(2)} points of accuracy, allowed are ${budget.accuracyPoints}`,
    );
  }
}

/**
 * One conversion by one method: the same source and options give the same bytes.
 * @throws ConversionError for anything that is damaged, not supported, or does not answer as the source does.
 */
export async function convertOnce(sourcePath: string, options: ConvertOptions = {}): Promise<Conversion> {
  const progress = options.onProgress ?? (() => {});
  const seed = options.seed ?? 0;
  const methodName = options.method ?? 'none';
  const target = targetFor(options.target ?? 'onnx', methodName);
  progress('reading');
  const source = await identify(sourcePath);
  progress('converting and checking parity');
  const { dialect, model } = await ofSound(source.path, () => readSource(source));
  const calibration = options.calibration ?? options.labels;
  const request: TargetRequest = {
    model,
    where: source.path,
    method: methodName,
    seed,
    ...(calibration === undefined ? {} : { calibration }),
    ...(options.mostInlineBytes === undefined ? {} : { mostInlineBytes: options.mostInlineBytes }),
    ...(options.prune === undefined ? {} : { prune: options.prune }),
    custom: options.custom === undefined ? {} : await readCustomLayers(options.custom),
    // Judged by what it is for, a conversion may move its answers as far as it likes.
    budget:
      options.budget === undefined || 'relativeError' in options.budget
        ? (options.budget ?? defaultBudget)
        : unlimited,
  };
  const { artifact, files, signature, parity, calibrationSha256 } = await ofSound(source.path, () =>
    target.convert(request),
  );
  const declared = options.processing ?? (await processingBeside(sourcePath));
  const processing = declared === undefined ? {} : await processingOf(declared, signature);
  const data = artifactFile(files, `${target.file}.data`);
  let accuracy: Accuracy | undefined;
  if (options.labels !== undefined) {
    progress('measuring accuracy');
    accuracy = await accuracyOf(files, signature, await readLabelledSet(options.labels), target.open);
  }
  await holdAccuracy(accuracy, sourcePath, options);
  const manifest: Manifest = {
    manifestVersion: 1,
    source: {
      format: source.format,
      dialect,
      sha256: source.sha256,
      sizeBytes: source.sizeBytes,
    },
    artifact: {
      ...artifact,
      model: artifactFile(files, target.file)!,
      ...(data === undefined ? {} : { externalData: data }),
    },
    recipe: {
      method: methodName,
      ...(options.prune === undefined ? {} : { prune: options.prune }),
      ...(calibrationSha256 === undefined || methodName === 'none' ? {} : { calibrationSha256 }),
    },
    tools: { modelmile: converterVersion },
    signatures: { serving_default: signature },
    parity,
    ...(accuracy === undefined ? {} : { accuracy }),
    ...processing,
  };
  const manifestBytes = encodeManifest(manifest);
  return {
    manifest,
    manifestBytes,
    digest: manifestDigest(manifestBytes),
    files: new Map([['manifest.json', manifestBytes], ...files]),
  };
}
