/** keras.applications, every family of the wheels: `npm run test:full -- conversion`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fullCount } from '../../support/full-count.ts';
import { deviationsOf, type RecordedModel } from '../recorded.ts';
import { installHint, pythonWith } from '../reference/python.ts';

/** The smallest of each family, with the side of the images: the least that the family takes, or small. */
const models: readonly (readonly [framework: 'keras2' | 'keras3', name: string, side: number])[] = [
  ['keras3', 'ConvNeXtTiny', 64],
  ['keras3', 'DenseNet121', 64],
  ['keras3', 'EfficientNetB0', 64],
  ['keras3', 'EfficientNetV2B0', 64],
  ['keras3', 'InceptionResNetV2', 75],
  ['keras3', 'InceptionV3', 75],
  ['keras3', 'MobileNet', 64],
  ['keras3', 'MobileNetV2', 64],
  ['keras3', 'MobileNetV3Large', 64],
  ['keras3', 'MobileNetV3Small', 64],
  ['keras3', 'NASNetMobile', 64],
  ['keras3', 'ResNet50', 64],
  ['keras3', 'ResNet50V2', 64],
  ['keras3', 'VGG16', 32],
  ['keras3', 'VGG19', 32],
  ['keras3', 'Xception', 71],
  ['keras2', 'ConvNeXtTiny', 64],
  ['keras2', 'EfficientNetB0', 64],
  ['keras2', 'EfficientNetV2B0', 64],
  ['keras2', 'MobileNetV3Small', 64],
  ['keras2', 'NASNetMobile', 64],
  ['keras2', 'RegNetX002', 64],
  ['keras2', 'RegNetY002', 64],
  ['keras2', 'ResNet50', 64],
  ['keras2', 'ResNetRS50', 64],
];

interface Figures {
  readonly name: string;
  readonly files: number;
  readonly layers: number;
  readonly parameters: number;
  /** Largest error over the largest logit, and over what is allowed. */
  readonly relative: number;
  readonly share: number;
  readonly overKeras: number;
}

const python = pythonWith('tf_keras');
const maker = new URL('./application_models.py', import.meta.url).pathname;

/** @throws where a file does not convert, fails the gate, or answers otherwise than the same model in float64 */
async function convertOne(chunk: number): Promise<Figures> {
  const [framework, name, side] = models[chunk] as (typeof models)[number];
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-applications-'));
  try {
    execFileSync(python as string, [maker, framework, name, String(side), folder], { stdio: 'ignore' });
    const record = JSON.parse(readFileSync(join(folder, 'record.json'), 'utf8')) as RecordedModel & {
      layers: number;
      parameters: number;
    };
    let [relative, share, overKeras] = [0, 0, 0];
    for (const file of record.files) {
      for (const { error, allowed, kerasError, largest } of await deviationsOf(join(folder, file), record)) {
        if (!(error <= allowed)) throw new Error(`${file}: off by ${error}, allowed are ${allowed}`);
        relative = Math.max(relative, error / largest);
        share = Math.max(share, error / allowed);
        overKeras = Math.max(overKeras, error / kerasError);
      }
      rmSync(join(folder, file));
    }
    const { files, layers, parameters } = record;
    return {
      name: `${framework} ${name}`,
      files: files.length,
      layers,
      parameters,
      relative,
      share,
      overKeras,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await fullCount<Figures>(import.meta.url, {
  title: 'keras.applications',
  what: 'The smallest model of every family in the wheels of Keras 3.15 and tf_keras 2.21, with random weights and random statistics of batch normalization, saved as .h5 and .keras. Every file must pass the gate, and answer logits within four times Keras’s own float32 error against the same model in float64, or 1e-5 of the largest logit where that is more.',
  chunks: models.length,
  lacks: python === undefined ? installHint : undefined,
  run: convertOne,
  report: (all) => ({
    models: all.length,
    'files, all converted and right': all.reduce((sum, { files }) => sum + files, 0),
    ...Object.fromEntries(
      all.map(({ name, layers, parameters, relative, overKeras }) => [
        name,
        `${layers} layers, ${(parameters / 1e6).toFixed(1)} M parameters: off by ${relative.toExponential(1)} of the largest logit, ${overKeras.toFixed(2)} of Keras’s own error`,
      ]),
    ),
    'largest error, of what is allowed': Math.max(...all.map(({ share }) => share)).toFixed(2),
  }),
});
