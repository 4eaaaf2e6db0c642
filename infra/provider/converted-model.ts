import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Conversion,
  convertCached,
  identify,
  KeptVersions,
  writeVersion,
} from '../../conversion/index.ts';
import { signatureFile, signManifest, sizeOfArtifact } from '../../conversion/manifest/index.ts';
import { conversionOptions } from './conversion-options.ts';
import { absolute, home } from './project.ts';
import { refusalOf } from './refusal.ts';
import type { Props, ResourceKind } from './resource-kind.ts';

/** Version folders that stay in the served repository: a reload may still read the one before. */
const servedVersions = 3;

const kept = new KeptVersions(home.keptModels);

interface Chosen {
  readonly conversion: Conversion;
  readonly sourceSha256: string;
  readonly origin: 'source' | 'retrain' | 'rollback';
}

/**
 * The version that is meant: the champion while it stands in for this very source (or the source is gone), else the source,
 * converted through the cache. A source that is named anew and not there is a mistake in its name.
 */
async function choose(news: Props, olds: Props = news): Promise<Chosen> {
  const name = String(news['name']);
  const champion = await kept.champion(name);
  const path = absolute(String(news['source']));
  const source = await identify(path).catch((error: Error & { code?: string }) => {
    const isGone = error.code === 'CONVERSION_NO_SUCH_FILE' && olds['source'] === news['source'];
    if (champion !== undefined && isGone) return undefined;
    throw error;
  });
  if (champion !== undefined && (source === undefined || source.sha256 === champion.insteadOf)) {
    const conversion = await kept.read(name, champion.digest);
    return { conversion, sourceSha256: champion.insteadOf, origin: champion.reason };
  }
  const conversion = await convertCached(path, conversionOptions(news, absolute), home.cache);
  return { conversion, sourceSha256: conversion.manifest.source.sha256, origin: 'source' };
}

/** Signs a version for servers with `trustedKeys`, where MODELMILE_SIGNING_KEY names an Ed25519 key (PEM). */
async function sign(folder: string, manifestBytes: Uint8Array): Promise<void> {
  const path = process.env['MODELMILE_SIGNING_KEY'];
  if (path === undefined) return;
  const key = await readFile(absolute(path), 'utf8').catch((error: Error) => {
    throw Object.assign(new Error(`MODELMILE_SIGNING_KEY cannot be read: ${error.message}`), {
      code: 'SIGNING',
    });
  });
  await writeFile(join(folder, signatureFile), signManifest(manifestBytes, key));
}

function nextVersion(olds: Props | undefined, digest: string): number {
  const before = Number(olds?.['version'] ?? 0);
  return olds?.['digest'] === digest ? before : before + 1;
}

async function prune(folder: string): Promise<void> {
  const numbers = (await readdir(folder))
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .sort((a, b) => b - a);
  for (const version of numbers.slice(servedVersions))
    await rm(join(folder, String(version)), { recursive: true, force: true });
}

async function release(inputs: Props): Promise<Props> {
  const name = String(inputs['name']);
  const folder = join(home.modelRoot, name);
  const { conversion } = await choose(inputs);
  if (conversion.digest !== inputs['digest']) {
    throw Object.assign(
      new Error(`The source of model '${name}' changed between preview and up. Run it again.`),
      { code: 'CHANGED' },
    );
  }
  await kept.keep(name, conversion);
  await writeVersion(conversion, join(folder, String(inputs['version'])));
  await prune(folder);
  return inputs;
}

/** ConvertedModel: see infra/conversion/converted-model.ts. */
export const convertedModel: ResourceKind = {
  replaceOn: ['name'],

  async check(olds, news) {
    try {
      const { conversion, sourceSha256, origin } = await choose(news, olds);
      const { manifest, digest } = conversion;
      const folder = join(home.convertedVersions, digest);
      await writeVersion(conversion, folder);
      await sign(folder, conversion.manifestBytes);
      const inputs = {
        ...news,
        version: nextVersion(olds, digest),
        digest,
        sizeBytes: sizeOfArtifact(manifest),
        parityMaxRelError: manifest.parity.maxRelError,
        ...(manifest.accuracy === undefined ? {} : { accuracy: manifest.accuracy.value }),
        sourceSha256,
        origin,
      };
      return { inputs, failures: [] };
    } catch (error) {
      return { inputs: news, failures: [refusalOf(error, news, absolute)] };
    }
  },

  create: async (inputs) => ({ id: String(inputs['name']), outs: await release(inputs) }),

  update: (_olds, news) => release(news),

  async read(_id, props) {
    const folder = join(home.modelRoot, String(props['name']));
    const versions = await readdir(folder).catch(() => [] as string[]);
    return versions.includes(String(props['version'])) ? props : undefined;
  },

  async delete(id) {
    await rm(join(home.modelRoot, id), { recursive: true, force: true });
  },
};
