import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
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
  /** Whether the rows of a run have a say in each other's answers. */
  readonly mixesRows: boolean;
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

/** Operators that quantize activations as they come, with one scale for all rows of a run, begin so; a model names what it uses. */
const mixingOperators = 'DynamicQuantize';

/** What a file of a version holds: its sha256, and whether it names such an operator. */
async function contentOf(path: string): Promise<{ readonly sha256: string; readonly mixesRows: boolean }> {
  const hash = createHash('sha256');
  let mixesRows = false;
  let before: Buffer = Buffer.alloc(0);
  for await (const block of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(block);
    mixesRows ||= Buffer.concat([before, block]).includes(mixingOperators);
    before = block.subarray(-mixingOperators.length);
  }
  return { sha256: hash.digest('hex'), mixesRows };
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
  const manifestBytes = await readFile(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    const isThere = await stat(folder).catch(() => undefined);
    throw new Error(isThere ? `there is no manifest.json in ${folder}` : `there is no folder ${folder}`);
  });
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
    let mixesRows = false;
    for (const { file, sha256 } of filesBeside(manifest)) {
      const actual = await contentOf(join(folder, file));
      if (actual.sha256 !== sha256)
        throw new Error(`${file} has sha256 ${actual.sha256}, the manifest says ${sha256}`);
      mixesRows ||= actual.mixesRows;
    }
    const modelPath = join(folder, manifest.artifact.model.file);
    return { model, version, digest, manifest, modelPath, mixesRows };
  });
}
