import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import {
  assertFolderCanBe,
  type Choice,
  type Conversion,
  type ConvertOptions,
  checkGolden,
  chooseMethod,
  convert as convertModel,
  readVersionManifest,
  writeVersion,
} from '../../conversion/index.ts';
import { signatureFile, signManifest, sizeOfArtifact } from '../../conversion/manifest/index.ts';
import { type Command, exitCodes } from '../command.ts';
import {
  conversionOptions,
  goldenLine,
  goldenOption,
  type Recipe,
  readConversionOptions,
  readFileOptions,
} from '../conversion-options.ts';
import { CliError } from '../errors.ts';
import { percent } from '../figures.ts';
import { endOn } from '../interrupt.ts';
import { paretoLines, paretoSvg } from '../pareto.ts';
import type { Terminal } from '../terminal.ts';

/** What `auto` writes beside the version: its choice, for later conversions to follow, and the picture that it rests on. */
function filesOf(choice: Choice, { prune }: ConvertOptions): [string, string][] {
  const recipe: Recipe = {
    recipeVersion: 1,
    method: choice.chosen.method,
    ...(prune === undefined ? {} : { prune }),
  };
  return [
    ['recipe.json', `${JSON.stringify(recipe, null, 2)}\n`],
    ['pareto.svg', paretoSvg(choice)],
  ];
}

/** Versions never change: a folder that holds another one is not written. @throws CliError CLI_VERSION_EXISTS */
async function write(
  folder: string,
  { digest, files }: Conversion,
  further: [string, string][],
): Promise<void> {
  const there = await readVersionManifest(folder).catch(() => undefined);
  if (there !== undefined && there.digest !== digest) {
    throw new CliError(
      'CLI_VERSION_EXISTS',
      `${folder} holds another version, ${there.digest.slice(0, 12)}.`,
    );
  }
  const encoded = further.map(([name, text]) => [name, new TextEncoder().encode(text)] as const);
  await writeVersion({ files: new Map([...files, ...encoded]) }, folder);
  // A version that is there already is left as it is: these lie beside it.
  if (there !== undefined) {
    for (const [name, bytes] of encoded) await writeFile(join(folder, name), bytes);
  }
}

function report(folder: string, { manifest, digest }: Conversion, terminal: Terminal): void {
  const { parity, accuracy } = manifest;
  terminal.line(`${folder}  ${sizeOfArtifact(manifest)} bytes, digest ${digest.slice(0, 12)}`);
  const allowed =
    parity.tolerance > 1e300 ? 'judged by its accuracy' : `allowed ${parity.tolerance.toExponential(2)}`;
  terminal.line(`parity  largest error ${parity.maxAbsError.toExponential(2)}, ${allowed}`);
  if (accuracy !== undefined)
    terminal.line(`accuracy  ${percent(accuracy.value)} on ${accuracy.samples} samples`);
}

/** A private key that signs, as PEM. @throws CliError CLI_USAGE */
async function signingKey(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    const pem = await readFile(resolve(path), 'utf8');
    signManifest(new Uint8Array(), pem);
    return pem;
  } catch (error) {
    throw new CliError(
      'CLI_USAGE',
      `--sign '${path}' is no Ed25519 private key in PEM (${(error as Error).message}): \`openssl genpkey -algorithm ed25519 -out signing.pem\` makes one.`,
    );
  }
}

export const convert: Command = {
  usage:
    '<model> [--out DIR] [--method NAME] [--prune HOW] [--labels FILE] [--golden FILE] [--budget COST] [--sign KEY]',
  details:
    'Converts behind the parity gate and writes one version folder. `--method auto` makes every candidate, measures each on this\n' +
    'machine, and takes the smallest one that keeps the budget and is slower than float32 neither with one row nor with sixteen; recipe.json keeps its choice.',
  examples: [
    'modelmile convert samples/digits/model.h5 --labels samples/digits/heldout.npz --out /tmp/digits/1',
    'modelmile convert samples/digits/model.h5 --method auto --labels samples/digits/heldout.npz --budget accuracy:0.5 --out /tmp/digits/2',
  ],
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    out: { type: 'string', value: 'DIR', help: 'version folder to write (default: <name of the model>/1)' },
    ...conversionOptions,
    ...goldenOption,
    sign: {
      type: 'string',
      value: 'KEY',
      help: 'Ed25519 private key (PEM): signs the manifest for servers with trustedKeys',
    },
  },
  async run({ positionals, options, terminal, signal }) {
    endOn(signal);
    const source = resolve(positionals[0] as string);
    const onProgress = (step: string) => terminal.progress(step);
    const key = await signingKey(options['sign'] as string | undefined);
    const how = { ...(await readConversionOptions(options)), onProgress };
    const { golden } = await readFileOptions(options, ['golden']);
    const folder = resolve(
      (options['out'] as string | undefined) ?? `${basename(source, extname(source))}/1`,
    );
    if (!existsSync(join(folder, 'manifest.json'))) await assertFolderCanBe(folder);
    const choice = how.method === 'auto' ? await chooseMethod(source, how) : undefined;
    const conversion = choice?.chosen.conversion ?? (await convertModel(source, how));
    const held = golden === undefined ? undefined : await checkGolden(conversion, golden);
    const signature: [string, string][] =
      key === undefined ? [] : [[signatureFile, signManifest(conversion.manifestBytes, key)]];
    await write(folder, conversion, [...signature, ...(choice === undefined ? [] : filesOf(choice, how))]);
    for (const line of choice === undefined ? [] : paretoLines(choice)) terminal.line(line);
    report(folder, conversion, terminal);
    if (held !== undefined) terminal.line(goldenLine(held));
    const candidates = choice?.candidates.map(({ conversion: _, ...figures }) => figures);
    terminal.document({
      folder,
      digest: conversion.digest,
      manifest: conversion.manifest,
      ...(held === undefined ? {} : { golden: held }),
      ...(candidates === undefined ? {} : { candidates }),
    });
    return exitCodes.ok;
  },
};
