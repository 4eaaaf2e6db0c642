import { resolve } from 'node:path';
import { bytesOf, checkGolden, convert, readVersion } from '../../conversion/index.ts';
import { encodeManifest } from '../../conversion/manifest/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { customOption, goldenLine, goldenOption, readFileOptions } from '../conversion-options.ts';
import { endOn } from '../interrupt.ts';

export const verify: Command = {
  usage: '<model> <version folder>',
  details:
    'Converts the model again, in memory and behind the gate, and compares: the same source and recipe give the same bytes everywhere.',
  examples: ['modelmile verify samples/digits/model.h5 /tmp/digits/1'],
  minPositionals: 2,
  maxPositionals: 2,
  options: {
    calibration: {
      type: 'string',
      value: 'FILE',
      help: 'the calibration rows that the version was converted with',
    },
    labels: { type: 'string', value: 'FILE', help: 'the labelled set that the version was converted with' },
    ...goldenOption,
    ...customOption,
  },
  async run({ positionals, options, terminal, signal }) {
    endOn(signal);
    const [source, folder] = positionals as [string, string];
    const kept = await readVersion(resolve(folder));
    const { golden, ...given } = await readFileOptions(options, [
      'labels',
      'calibration',
      'custom',
      'golden',
    ]);
    const again = await convert(resolve(source), {
      target: kept.manifest.artifact.format,
      method: kept.manifest.recipe.method,
      ...(kept.manifest.recipe.prune === undefined ? {} : { prune: kept.manifest.recipe.prune }),
      // What it may cost was judged when it was made.
      budget: { relativeError: Number.MAX_VALUE },
      ...given,
    });
    const held = golden === undefined ? undefined : await checkGolden(kept, golden);
    // What was allowed then is not asked for again; all else has to be the same.
    const parity = { ...again.manifest.parity, tolerance: kept.manifest.parity.tolerance };
    const files = new Map(again.files).set('manifest.json', encodeManifest({ ...again.manifest, parity }));
    const differing = [...files.keys()].filter(
      (name) =>
        Buffer.compare(bytesOf(files.get(name)!), bytesOf(kept.files.get(name) ?? new Uint8Array())) !== 0,
    );
    const same = differing.length === 0;
    terminal.line(same ? `the same, byte for byte: ${kept.digest}` : `different: ${differing.join(', ')}`);
    if (held !== undefined) terminal.line(goldenLine(held));
    terminal.document({
      ...(held === undefined ? {} : { golden: held }),
      same,
      differing,
      digest: kept.digest,
    });
    return same ? exitCodes.ok : exitCodes.failed;
  },
};
