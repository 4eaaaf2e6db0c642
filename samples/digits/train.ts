/**
 * Trains the sample's model with nothing but Node: the same network as train.py, fine-tuned from the champion's weights. A trainer
 * as training/recipe.ts describes it: `node --import tsx train.ts --job job.json`; writes a TF.js layers model.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readLabelledSet } from '../../conversion/index.ts';
import { decodeModel, tensorData } from '../../conversion/onnx/index.ts';
import { Mlp } from './mlp.ts';

interface Job {
  readonly base: string;
  readonly feedback: string;
  readonly champion: string;
  readonly output: string;
  readonly epochs: number;
  readonly seed: number;
}

/** A user's correction counts as much as this many base rows: it is about exactly what goes wrong. */
const correctionWeight = 3;

const { values } = parseArgs({ options: { job: { type: 'string' } } });
const job = JSON.parse(await readFile(values.job as string, 'utf8')) as Job;

/** The float32 weights of a converted model, by the names that conversion gives them; undefined where it is quantized. */
async function championWeights(folder: string): Promise<Float32Array[] | undefined> {
  const path = join(folder, 'model.onnx');
  const tensors = decodeModel(await readFile(path), path).graph?.initializer ?? [];
  const find = (end: string, rank: number, columns: number) =>
    tensors.find(
      ({ name, dims }) => name.endsWith(end) && dims.length === rank && Number(dims.at(-1)) === columns,
    );
  const found = [
    find('/kernel', 2, 128),
    find('/bias', 1, 128),
    find('/kernel', 2, 10),
    find('/bias', 1, 10),
  ];
  const data = found.map((tensor) => (tensor === undefined ? undefined : tensorData(tensor)));
  return data.every((array): array is Float32Array => array instanceof Float32Array) ? data : undefined;
}

const base = await readLabelledSet(job.base);
const feedback = await readLabelledSet(job.feedback);
const mlp = new Mlp(job.seed, await championWeights(job.champion));
const rows = [
  ...Array.from({ length: base.rows }, (_, row) => ({ set: base, row })),
  ...Array.from({ length: feedback.rows * correctionWeight }, (_, i) => ({
    set: feedback,
    row: i % feedback.rows,
  })),
];
for (let epoch = 1; epoch <= job.epochs; epoch++) {
  const loss = mlp.epoch(rows.length, (i) => {
    const { set, row } = rows[i] as (typeof rows)[number];
    return { x: set.inputs.subarray(row * 784, (row + 1) * 784), label: set.labels[row] as number };
  });
  console.log(`epoch ${epoch} of ${job.epochs}: loss ${loss.toFixed(4)}`);
}

const layer = (class_name: string, config: Record<string, unknown>) => ({ class_name, config });
const topology = {
  class_name: 'Sequential',
  config: {
    name: 'sequential',
    layers: [
      layer('InputLayer', {
        name: 'pixels',
        batch_input_shape: [null, 784],
        dtype: 'float32',
        sparse: false,
      }),
      layer('Dense', { name: 'dense', units: 128, activation: 'relu', use_bias: true, dtype: 'float32' }),
      layer('Dropout', { name: 'dropout', rate: 0.2, dtype: 'float32' }),
      layer('Dense', { name: 'digit', units: 10, activation: 'softmax', use_bias: true, dtype: 'float32' }),
    ],
  },
};
const [kernel1, bias1, kernel2, bias2] = mlp.weights;
const specs = [
  { name: 'dense/kernel', shape: [784, 128], data: kernel1 },
  { name: 'dense/bias', shape: [128], data: bias1 },
  { name: 'digit/kernel', shape: [128, 10], data: kernel2 },
  { name: 'digit/bias', shape: [10], data: bias2 },
];
await writeFile(
  join(dirname(job.output), 'weights.bin'),
  Buffer.concat(specs.map(({ data }) => Buffer.from(data.buffer))),
);
await writeFile(
  job.output,
  JSON.stringify({
    format: 'layers-model',
    generatedBy: 'samples/digits/train.ts',
    modelTopology: topology,
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: specs.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
      },
    ],
  }),
);
