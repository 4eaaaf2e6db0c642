import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FeedbackRecord } from '../../serving/contract/index.ts';

/** Which of two numbers is larger: Dense(2, softmax) with this kernel [2,2], as a TF.js layers model. @returns path of model.json */
export async function writeToy(folder: string, kernel: readonly number[], units = 2): Promise<string> {
  await mkdir(folder, { recursive: true });
  const layers = [
    { class_name: 'InputLayer', config: { name: 'pair', batch_input_shape: [null, 2], dtype: 'float32' } },
    { class_name: 'Dense', config: { name: 'larger', units, activation: 'softmax', use_bias: false } },
  ];
  await writeFile(join(folder, 'weights.bin'), Buffer.from(Float32Array.from(kernel).buffer));
  const path = join(folder, 'model.json');
  await writeFile(
    path,
    JSON.stringify({
      format: 'layers-model',
      modelTopology: { class_name: 'Sequential', config: { name: 'toy', layers } },
      weightsManifest: [
        { paths: ['weights.bin'], weights: [{ name: 'larger/kernel', shape: [2, units], dtype: 'float32' }] },
      ],
    }),
  );
  return path;
}

/** Right everywhere. */
export const rightKernel = [1, 0, 0, 1];
/** Compares the first number with 0.5 times the second: wrong between the two lines. */
export const halfRightKernel = [1, 0, 0, 0.5];

/** Pairs on a grid, with the index of the larger one as label, as JSON lines. */
export function gridLines(): string {
  const lines: string[] = [];
  for (let a = 1; a <= 9; a++) {
    for (let b = 1; b <= 9; b++)
      if (a !== b) lines.push(JSON.stringify({ input: [a / 10, b / 10], label: a > b ? 0 : 1 }));
  }
  return lines.join('\n');
}

/** Feedback to the toy, as the server joins it. */
export function feedbackRecord(index: number, changes: Partial<FeedbackRecord> = {}): FeedbackRecord {
  const tail = index.toString(16).padStart(12, '0');
  return {
    feedbackId: `0199a000-0000-7000-8000-${tail}`,
    predictionId: `0199b000-0000-7000-8000-${tail}`,
    model: 'toy',
    version: 1,
    digest: 'd',
    row: 0,
    atMs: 0,
    inputs: [{ name: 'pair', dtype: 'float32', shape: [1, 2], data: [index, 0.25] }],
    outputs: [{ name: 'larger', dtype: 'float32', shape: [1, 2], data: [0.2, 0.8] }],
    ...changes,
  };
}

export async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
