import { createHash } from 'node:crypto';
import { ConversionError } from './errors.ts';
import { kerasToOnnx } from './keras/to-onnx.ts';
import {
  type Accuracy,
  encodeManifest,
  type Manifest,
  manifestDigest,
  type Parity,
  type Signature,
} from './manifest/index.ts';
import { methods } from './methods/index.ts';
import type { Method } from './methods/method.ts';
import { encodeModel, irVersion, type ModelProto, opsetOf, signatureOf } from './onnx/index.ts';
import { identify, readSource, type SourceIdentity } from './readers/index.ts';
import { accuracyOf } from './verify/accuracy.ts';
import { readLabelledSet } from './verify/labelled-set.ts';
import { kerasParity, modelParity } from './verify/parity.ts';

/** Bump when the same source and options give other bytes: it is part of every cache key. */
export const converterVersion = '0.1.0';

/** The source's conversion = f(parameters, structure, method): the source file is the first two. */
export interface ConvertOptions {
  /** A row of methods/index.ts. Default `none`. */
  readonly method?: string;
  /** Labelled set (.npz, .jsonl): accuracy goes into the manifest. */
  readonly labels?: string;
  /** Seed of the random parity inputs. Default 0. */
  readonly seed?: number;
  /** Largest relative error that a lossy method may cause. Default 0.05. */
  readonly budget?: { readonly relativeError: number };
  readonly onProgress?: (step: string) => void;
}

/** One model version in memory. */
export interface Conversion {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  /** sha256 of manifestBytes: the version's identity. */
  readonly digest: string;
  /** File name to bytes, manifest.json included. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const defaultBudget = { relativeError: 0.05 };

function methodRow(name: string): Method {
  if (Object.hasOwn(methods, name)) return methods[name as keyof typeof methods];
  throw new ConversionError(
    'CONVERSION_BAD_OPTION',
    `method '${name}' is not one of ${Object.keys(methods).join(', ')}`,
  );
}

/** The exact float32 model of a source, gated by the reference. */
async function exactModel(source: SourceIdentity, seed: number) {
  const { dialect, model } = await readSource(source);
  if (model.kind === 'onnx') {
    const signature = signatureOf(model.model, source.path);
    const parity = await modelParity(model.model, model.model, signature, seed, defaultBudget);
    return {
      dialect,
      model: model.model,
      signature,
      parity: { reference: 'source-model' as const, ...parity },
    };
  }
  const conversion = kerasToOnnx(model);
  const signature = signatureOf(conversion.model, source.path);
  return {
    dialect,
    model: conversion.model,
    signature,
    parity: await kerasParity(model, conversion, signature, seed),
  };
}

async function applyMethod(
  name: string,
  exact: { model: ModelProto; signature: Signature; parity: Parity },
  seed: number,
  options: ConvertOptions,
): Promise<{ model: ModelProto; parity: Parity }> {
  const method = methodRow(name);
  const model = await method.apply(exact.model, { signature: exact.signature, calibration: undefined, seed });
  if (method.exact) return { model, parity: exact.parity };
  const budget = options.budget ?? defaultBudget;
  const parity = await modelParity(exact.model, model, exact.signature, seed, budget);
  if (!parity.passed) {
    throw new ConversionError(
      'CONVERSION_BUDGET_EXCEEDED',
      `Method '${name}' moves the answers by ${(100 * parity.maxRelError).toFixed(2)} % of their size, allowed are ${100 * budget.relativeError} %`,
    );
  }
  return { model, parity: { reference: exact.parity.reference, ...parity } };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Converts a trained model behind the parity gate. Nothing is written; the same source and options give the same bytes.
 * @throws ConversionError for anything that is damaged, not supported, or does not answer as the source does.
 */
export async function convert(sourcePath: string, options: ConvertOptions = {}): Promise<Conversion> {
  const progress = options.onProgress ?? (() => {});
  const seed = options.seed ?? 0;
  const methodName = options.method ?? 'none';
  methodRow(methodName);
  progress('reading');
  const source = await identify(sourcePath);
  progress('converting and checking parity');
  const exact = await exactModel(source, seed);
  const { model, parity } = await applyMethod(methodName, exact, seed, options);
  const bytes = encodeModel(model);
  let accuracy: Accuracy | undefined;
  if (options.labels !== undefined) {
    progress('measuring accuracy');
    accuracy = await accuracyOf(bytes, exact.signature, await readLabelledSet(options.labels));
  }
  const manifest: Manifest = {
    manifestVersion: 1,
    source: {
      format: source.format,
      dialect: exact.dialect,
      sha256: source.sha256,
      sizeBytes: source.sizeBytes,
    },
    artifact: {
      format: 'onnx',
      model: { file: 'model.onnx', sha256: sha256(bytes), sizeBytes: bytes.length },
      irVersion: Number(model.irVersion || BigInt(irVersion)),
      opset: opsetOf(model),
    },
    recipe: { method: methodName },
    tools: { modelmile: converterVersion },
    signatures: { serving_default: exact.signature },
    parity,
    ...(accuracy === undefined ? {} : { accuracy }),
  };
  const manifestBytes = encodeManifest(manifest);
  return {
    manifest,
    manifestBytes,
    digest: manifestDigest(manifestBytes),
    files: new Map([
      ['manifest.json', manifestBytes],
      ['model.onnx', bytes],
    ]),
  };
}
