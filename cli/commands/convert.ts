import { readFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { convert as convertModel, targets, writeVersion } from '../../conversion/index.ts';
import { signatureFile, signManifest } from '../../conversion/manifest/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { percent } from '../figures.ts';

const methodNames = Object.entries(targets)
  .map(([target, { methods }]) => `${target}: ${Object.keys(methods).join(', ')}`)
  .join('; ');

export const convert: Command = {
  usage:
    '<model> [--out DIR] [--target onnx|tflite] [--method NAME] [--calibration FILE] [--labels FILE] [--sign KEY]',
  details: `Converts behind the parity gate and writes one version folder. Methods: ${methodNames}.`,
  examples: [
    'modelmile convert samples/digits/model.h5 --labels samples/digits/heldout.npz --out /tmp/digits/1',
  ],
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    out: { type: 'string', value: 'DIR', help: 'version folder to write (default: <name of the model>/1)' },
    target: {
      type: 'string',
      value: 'NAME',
      help: 'what: onnx, which is served, or tflite',
      default: 'onnx',
    },
    method: { type: 'string', value: 'NAME', help: 'how: freeze, quantize, prune', default: 'none' },
    calibration: {
      type: 'string',
      value: 'FILE',
      help: 'rows of real data (.npz, .jsonl) for methods that learn ranges from them',
    },
    sign: {
      type: 'string',
      value: 'KEY',
      help: 'Ed25519 private key (PEM): signs the manifest for servers with trustedKeys',
    },
    labels: {
      type: 'string',
      value: 'FILE',
      help: 'labelled set (.npz, .jsonl): its accuracy goes into the manifest',
    },
  },
  async run({ positionals, options, terminal }) {
    const source = positionals[0] as string;
    const labels = options['labels'] as string | undefined;
    const calibration = options['calibration'] as string | undefined;
    const conversion = await convertModel(resolve(source), {
      target: options['target'] as string,
      method: options['method'] as string,
      ...(labels === undefined ? {} : { labels: resolve(labels) }),
      ...(calibration === undefined ? {} : { calibration: resolve(calibration) }),
      onProgress: (step) => terminal.progress(step),
    });
    const folder = resolve(
      (options['out'] as string | undefined) ?? `${basename(source, extname(source))}/1`,
    );
    const signingKey = options['sign'] as string | undefined;
    const signature =
      signingKey === undefined
        ? []
        : [
            [
              signatureFile,
              signManifest(conversion.manifestBytes, await readFile(resolve(signingKey), 'utf8')),
            ] as const,
          ];
    const signed = new Map([
      ...conversion.files,
      ...signature.map(([name, text]) => [name, new TextEncoder().encode(text)] as const),
    ]);
    await writeVersion({ files: signed }, folder);
    const { manifest, digest } = conversion;
    terminal.line(`${folder}  ${manifest.artifact.model.sizeBytes} bytes, digest ${digest.slice(0, 12)}`);
    terminal.line(
      `parity  largest error ${manifest.parity.maxAbsError.toExponential(2)}, allowed ${manifest.parity.tolerance.toExponential(2)}`,
    );
    if (manifest.accuracy !== undefined) {
      terminal.line(`accuracy  ${percent(manifest.accuracy.value)} on ${manifest.accuracy.samples} samples`);
    }
    terminal.document({ folder, digest, manifest });
    return exitCodes.ok;
  },
};
