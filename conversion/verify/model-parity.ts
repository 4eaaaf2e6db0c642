import type { Tensor as RuntimeTensor } from 'onnxruntime-node';
import { ConversionError } from '../errors.ts';
import type { Parity, Signature } from '../manifest/index.ts';
import type { ModelProto } from '../onnx/index.ts';
import type { VersionFiles } from '../version-files.ts';
import type { Tensor } from './interpreter/index.ts';
import { type Budget, compare } from './parity.ts';
import type { SampleRows } from './sample-rows.ts';
import { openModel, openShipped, runSession, runtimeTensor } from './session.ts';

const rowsAtOnce = 32;

/** Rows in parts that fit into memory; a model whose batch is fixed gets just that many at a time. */
export function* batchesOf(
  { inputs: specs }: Signature,
  inputs: SampleRows['inputs'],
): Generator<Record<string, RuntimeTensor>> {
  const fixed = Math.max(-1, ...specs.map(({ shape }) => shape[0] ?? -1));
  const total = inputs[0]?.shape[0] ?? 0;
  const step = fixed > 0 ? fixed : rowsAtOnce;
  for (let start = 0; start + (fixed > 0 ? fixed : 1) <= total; start += step) {
    const count = Math.min(step, total - start);
    yield Object.fromEntries(
      specs.map((spec, i) => {
        const { shape, data } = inputs[i] as Tensor;
        const size = data.length / (shape[0] as number);
        const part = data.subarray(start * size, (start + count) * size);
        return [spec.name, runtimeTensor(spec, [count, ...shape.slice(1)], part)];
      }),
    );
  }
}

/** What a model answers to rows, one tensor for each output of the signature. */
export async function answers(
  model: ModelProto | VersionFiles,
  signature: Signature,
  { inputs }: SampleRows,
): Promise<Tensor[]> {
  const names = signature.outputs.map(({ name }) => name);
  const session = await ('$typeName' in model ? openModel(model) : openShipped(model));
  try {
    const parts: Tensor[][] = [];
    for (const feeds of batchesOf(signature, inputs)) parts.push(await runSession(session, feeds, names));
    if (parts.length === 0)
      throw new ConversionError(
        'CONVERSION_BAD_SAMPLES',
        'There are fewer rows than the model takes at once',
      );
    return names.map((_, output) => joined(parts.map((part) => part[output] as Tensor)));
  } finally {
    await session.release();
  }
}

/** The rows of all parts, one after the other. */
export function joined(parts: readonly Tensor[]): Tensor {
  const data = new Float64Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 1), 0);
  return { shape: [rows, ...(parts[0] as Tensor).shape.slice(1)], data };
}

/** How far what ships is from the model that it was made of, over the rows. */
export async function modelParity(
  exact: ModelProto,
  shipped: VersionFiles,
  signature: Signature,
  rows: SampleRows,
  seed: number,
  budget: Budget,
): Promise<Omit<Parity, 'reference'>> {
  const reference = await answers(exact, signature, rows);
  const result = compare(await answers(shipped, signature, rows), reference, budget, seed);
  return { ...result, samples: rows.inputs[0]?.shape[0] ?? 1 };
}
