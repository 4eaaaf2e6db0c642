import { createHash } from 'node:crypto';
import * as z from 'zod';
import { Postprocessing, Preprocessing } from './processing.ts';
import { Signature } from './tensor-spec.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 in lower-case hex');

/** One file of a version folder. */
const ArtifactFile = z.strictObject({ file: z.string().min(1), sha256: Sha256, sizeBytes: z.int().min(0) });
type ArtifactFile = z.infer<typeof ArtifactFile>;

/** How far the converted model's answers lie from the reference's, over seeded random inputs and golden samples. */
export const Parity = z.strictObject({
  /** `float64-interpreter` for Keras dialects; `source-model` where ONNX is taken and compared with itself before methods. */
  reference: z.enum(['float64-interpreter', 'source-model']),
  samples: z.int().min(1),
  seed: z.int(),
  maxAbsError: z.number(),
  /** maxAbsError / max|reference|. */
  maxRelError: z.number(),
  /** The bound on maxAbsError that was applied. */
  tolerance: z.number(),
  passed: z.boolean(),
});
export type Parity = z.infer<typeof Parity>;

/** Share of a labelled set that the converted model classifies as labelled. */
export const Accuracy = z.strictObject({
  metric: z.literal('top1'),
  value: z.number().min(0).max(1),
  samples: z.int().min(1),
  /** sha256 of the labelled set. */
  labelsSha256: Sha256,
});
export type Accuracy = z.infer<typeof Accuracy>;

/**
 * `manifest.json` of a model version: deterministic, so the same source and recipe give the same bytes everywhere.
 * What is measured (latency, memory) lives in `profile.json` beside it.
 */
export const Manifest = z.strictObject({
  manifestVersion: z.literal(1),
  source: z.strictObject({
    /** Row of conversion/readers/index.ts, for example `keras-hdf5`. */
    format: z.string().min(1),
    /** Who wrote it, for example `keras-3`, `keras-2`, `tfjs`, `onnx`. */
    dialect: z.string().min(1),
    sha256: Sha256,
    sizeBytes: z.int().min(0),
  }),
  artifact: z.strictObject({
    format: z.enum(['onnx', 'tflite']),
    model: ArtifactFile,
    /** `model.onnx.data`, where the weights outgrow one protobuf message. */
    externalData: ArtifactFile.optional(),
    irVersion: z.int().optional(),
    opset: z.int().optional(),
  }),
  /** The choices that made the artifact: the source's f(parameters, structure, method). */
  recipe: z.strictObject({
    method: z.string().min(1),
    prune: z.string().min(1).optional(),
    calibrationSha256: Sha256.optional(),
  }),
  tools: z.record(z.string(), z.string()),
  /** Keyed by signature name; `serving_default` is always there. */
  signatures: z.record(z.string(), Signature),
  parity: Parity,
  accuracy: Accuracy.optional(),
  /** Class names, index = class. */
  labels: z.array(z.string()).optional(),
  /** How pictures and named columns become inputs. */
  preprocessing: Preprocessing.optional(),
  /** What an answer tells of the scores. */
  postprocessing: Postprocessing.optional(),
  driftBaseline: z.json().optional(),
});
export type Manifest = z.infer<typeof Manifest>;

/** The files of a version beside its manifest, the model first. */
export function artifactFiles({ artifact: { model, externalData } }: Manifest): ArtifactFile[] {
  return externalData === undefined ? [model] : [model, externalData];
}

/** Bytes of all of them. */
export function sizeOfArtifact(manifest: Manifest): number {
  return artifactFiles(manifest).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** The signature that a request without a signature name means. */
export const defaultSignatureName = 'serving_default';

/** `manifest.json` as bytes: keys in schema order, two-space indent, one newline at the end. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(Manifest.parse(manifest), null, 2)}\n`);
}

/** Identity of a model version: sha256 of the bytes of its `manifest.json`, which holds the sha256 of every other file. */
export function manifestDigest(manifestBytes: Uint8Array): string {
  return createHash('sha256').update(manifestBytes).digest('hex');
}

/**
 * Reads `manifest.json`.
 * @throws ManifestError with every fault and its path, so that it can be shown as it is.
 */
export function parseManifest(manifestBytes: Uint8Array, where: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(manifestBytes));
  } catch (error) {
    throw new ManifestError(`${where} is not JSON: ${(error as Error).message}. Convert the model again.`);
  }
  const parsed = Manifest.safeParse(json);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
    throw new ManifestError(
      `${where} is not a modelmile manifest: ${faults.join('; ')}. Convert the model again.`,
    );
  }
  return parsed.data;
}

/** A manifest that cannot be used; the message says where and why. */
export class ManifestError extends Error {
  readonly code = 'MANIFEST_INVALID';
  override readonly name = 'ManifestError';
}
