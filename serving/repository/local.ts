import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  isSignedBy,
  type Manifest,
  manifestDigest,
  parseManifest,
  signatureFile,
} from '../../conversion/manifest/index.ts';
import type { ServedModel, VersionPolicy } from '../contract/index.ts';
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

/** Models of a repository: folders that hold a folder with a positive number for a name. */
export async function listModels(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory() && (await listVersions(root, entry.name)).length > 0) names.push(entry.name);
  }
  return names.sort();
}

/** Versions of a model, ascending; folders that are being written have other names. */
export async function listVersions(root: string, model: string): Promise<number[]> {
  const entries = await readdir(join(root, model)).catch(() => [] as string[]);
  return entries
    .filter((name) => /^[1-9]\d{0,15}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The versions that a policy asks for, plus those that labels point at. */
export function chooseVersions(available: readonly number[], model: ServedModel): number[] {
  const policy: VersionPolicy = model.versionPolicy;
  const chosen =
    'all' in policy
      ? available
      : 'specific' in policy
        ? policy.specific
        : available.slice(Math.max(0, available.length - policy.latest));
  return [...new Set([...chosen, ...Object.values(model.versionLabels)])].sort((a, b) => a - b);
}

async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** @throws Error where no trusted key signed the manifest */
async function checkSignature(
  folder: string,
  manifestBytes: Uint8Array,
  trustedKeys: readonly string[],
): Promise<void> {
  let signature: string;
  try {
    signature = await readFile(join(folder, signatureFile), 'utf8');
  } catch {
    throw new Error(`it is not signed (no ${signatureFile}), and trustedKeys asks for it`);
  }
  if (!isSignedBy(manifestBytes, signature, trustedKeys)) {
    throw new Error(
      `${signatureFile} is by none of the trustedKeys, or the manifest was changed after signing`,
    );
  }
}

/**
 * Opens a version folder: every file must be what the manifest says it is, and the manifest signed by one of `trustedKeys` where
 * there are any.
 * @throws ServingError SERVING_LOAD_FAILED saying what is wrong
 */
export async function openVersion(
  root: string,
  model: string,
  version: number,
  trustedKeys: readonly string[],
): Promise<ModelVersion> {
  const folder = join(root, model, String(version));
  try {
    const manifestBytes = await readFile(join(folder, 'manifest.json'));
    if (trustedKeys.length > 0) await checkSignature(folder, manifestBytes, trustedKeys);
    const manifest = parseManifest(manifestBytes, join(folder, 'manifest.json'));
    const { model: file, externalData } = manifest.artifact;
    for (const expected of externalData === undefined ? [file] : [file, externalData]) {
      if (/[\\/]/.test(expected.file))
        throw new Error(`the manifest names '${expected.file}', which is not in the folder`);
      const actual = await sha256File(join(folder, expected.file));
      if (actual !== expected.sha256) {
        throw new Error(`${expected.file} has sha256 ${actual}, the manifest says ${expected.sha256}`);
      }
    }
    return {
      model,
      version,
      digest: manifestDigest(manifestBytes),
      manifest,
      modelPath: join(folder, file.file),
    };
  } catch (error) {
    throw new ServingError('SERVING_LOAD_FAILED', `${model} version ${version}: ${(error as Error).message}`);
  }
}
