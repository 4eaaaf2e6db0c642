import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  artifactFiles,
  isSignedBy,
  type Manifest,
  manifestDigest,
  parseManifest,
  signatureFile,
} from '../../conversion/manifest/index.ts';
import { ServingError } from '../errors.ts';

/** A verified version folder of the model repository. */
export interface ModelVersion {
  readonly model: string;
  readonly version: number;
  /** sha256 of manifest.json. */
  readonly digest: string;
  readonly manifest: Manifest;
  /** Absolute path of model.onnx. */
  readonly modelPath: string;
}

/** A version did not load. */
export class VersionRefused extends ServingError {
  readonly model: string;
  readonly version: number;

  constructor(model: string, version: number, cause: ServingError) {
    super(cause.code, cause.message);
    this.model = model;
    this.version = version;
  }
}

async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** @throws Error where no trusted key signed the manifest; `signature` is undefined where there is none */
export function checkSignature(
  manifestBytes: Uint8Array,
  signature: string | undefined,
  trustedKeys: readonly string[],
): void {
  if (trustedKeys.length === 0) return;
  if (signature === undefined) {
    throw new Error(`it is not signed (no ${signatureFile}), and trustedKeys asks for it`);
  }
  if (!isSignedBy(manifestBytes, signature, trustedKeys)) {
    throw new Error(
      `${signatureFile} is by none of the trustedKeys, or the manifest was changed after signing`,
    );
  }
}

/** The files that a manifest names beside it. @throws Error where one is not in the folder */
export function filesBeside(manifest: Manifest): ReturnType<typeof artifactFiles> {
  const files = artifactFiles(manifest);
  for (const { file } of files) {
    if (/[\\/]|^\.\.?$/.test(file))
      throw new Error(`the manifest names '${file}', which is not in the folder`);
  }
  return files;
}

/** The manifest, signed by one of `trustedKeys` where there are any. @throws Error */
async function readManifest(
  folder: string,
  trustedKeys: readonly string[],
): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
  const path = join(folder, 'manifest.json');
  const manifestBytes = await readFile(path);
  const signature = await readFile(join(folder, signatureFile), 'utf8').catch(() => undefined);
  checkSignature(manifestBytes, signature, trustedKeys);
  return { digest: manifestDigest(manifestBytes), manifest: parseManifest(manifestBytes, path) };
}

/** @throws ServingError SERVING_LOAD_FAILED saying what is wrong with the version */
async function orRefused<T>(model: string, version: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ServingError('SERVING_LOAD_FAILED', `${model} version ${version}: ${(error as Error).message}`);
  }
}

/**
 * The digest of a version folder that is all there: its manifest, signed where `trustedKeys` ask for it, and files as long as that
 * says. What they hold is verified when they are loaded.
 * @throws ServingError SERVING_LOAD_FAILED saying what is missing
 */
export function wholeVersion(
  folder: string,
  model: string,
  version: number,
  trustedKeys: readonly string[],
): Promise<string> {
  return orRefused(model, version, async () => {
    const { digest, manifest } = await readManifest(folder, trustedKeys);
    for (const { file, sizeBytes } of filesBeside(manifest)) {
      const found = await stat(join(folder, file)).catch(() => undefined);
      if (found?.size !== sizeBytes) throw new Error(`${file} is not there, or not ${sizeBytes} bytes long`);
    }
    return digest;
  });
}

/**
 * Opens a version folder: every file must be what the manifest says it is, and the manifest signed by one of `trustedKeys` where
 * there are any.
 * @throws ServingError SERVING_LOAD_FAILED saying what is wrong
 */
export function openVersion(
  folder: string,
  model: string,
  version: number,
  trustedKeys: readonly string[],
): Promise<ModelVersion> {
  return orRefused(model, version, async () => {
    const { digest, manifest } = await readManifest(folder, trustedKeys);
    for (const expected of filesBeside(manifest)) {
      const actual = await sha256File(join(folder, expected.file));
      if (actual !== expected.sha256) {
        throw new Error(`${expected.file} has sha256 ${actual}, the manifest says ${expected.sha256}`);
      }
    }
    return { model, version, digest, manifest, modelPath: join(folder, manifest.artifact.model.file) };
  });
}
