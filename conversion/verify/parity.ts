import { clone } from '@bufbuild/protobuf';
import type { InferenceSession } from 'onnxruntime-node';
import { ConversionError } from '../errors.ts';
import type { KerasModel } from '../keras/model.ts';
import type { OnnxConversion } from '../keras/to-onnx.ts';
import type { Parity, Signature, TensorSpec } from '../manifest/index.ts';
import { encodeModel, type ModelProto, ModelProtoSchema, valueInfo } from '../onnx/index.ts';
import { type ReferenceRun, runReference, type Tensor } from './interpreter/index.ts';
import { seededRandom } from './random.ts';
import { openSession, runSession, runtimeTensor } from './session.ts';

/** Rows per reference run. */
const rows = 16;
/** A size for a dimension that the model leaves open, the batch aside. */
const openSize = 8;
/** Bound on the relative error of an exact (float32) conversion: float32 rounding, amplified by a network's depth. */
const exactTolerance = 1e-5;

/** How far results may lie from the reference, relative to the largest reference value. */
export interface Budget {
  readonly relativeError: number;
}

export const exactBudget: Budget = { relativeError: exactTolerance };

/** Random inputs as a model might see: standard normal for floats, small non-negative integers otherwise. */
export function randomInputs(signature: Signature, seed: number): Tensor[] {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return signature.inputs.map(({ shape, dtype }) => {
    const concrete = shape.map((dim, axis) => (dim >= 0 ? dim : axis === 0 ? rows : openSize));
    const data = new Float64Array(concrete.reduce((product, dim) => product * dim, 1));
    const isFloat = dtype.startsWith('float');
    // Rounded to float32, so that both sides see the very same numbers.
    for (let i = 0; i < data.length; i++)
      data[i] = isFloat ? Math.fround(normal()) : Math.floor(random() * 2);
    return { shape: concrete, data };
  });
}

function feedsOf(specs: readonly TensorSpec[], inputs: readonly Tensor[]) {
  return Object.fromEntries(
    specs.map((spec, i) => {
      const { shape, data } = inputs[i] as Tensor;
      return [spec.name, runtimeTensor(spec, shape, data)];
    }),
  );
}

interface Difference {
  readonly maxAbsError: number;
  readonly maxAbsReference: number;
}

function difference(actual: Tensor, reference: Tensor): Difference {
  if (actual.data.length !== reference.data.length) {
    return { maxAbsError: Number.POSITIVE_INFINITY, maxAbsReference: 1 };
  }
  // Nothing but NaN is what weights that training has ruined answer: there is nothing to compare.
  if (reference.data.length > 0 && reference.data.every(Number.isNaN)) {
    return { maxAbsError: Number.POSITIVE_INFINITY, maxAbsReference: 1 };
  }
  let maxAbsError = 0;
  let maxAbsReference = 0;
  for (let i = 0; i < reference.data.length; i++) {
    const expected = reference.data[i] as number;
    const error = Math.abs((actual.data[i] as number) - expected);
    // NaN on either side, where the other has a number, is as wrong as it gets.
    if (Number.isNaN(error) && !(Number.isNaN(expected) && Number.isNaN(actual.data[i]))) {
      return { maxAbsError: Number.POSITIVE_INFINITY, maxAbsReference: 1 };
    }
    if (error > maxAbsError) maxAbsError = error;
    if (Math.abs(expected) > maxAbsReference) maxAbsReference = Math.abs(expected);
  }
  return { maxAbsError, maxAbsReference };
}

/** Whether an exact conversion's value is as near to the reference as float32 rounding leaves it. */
export function isClose(actual: Tensor, reference: Tensor): boolean {
  const { maxAbsError, maxAbsReference } = difference(actual, reference);
  return maxAbsError <= exactTolerance * maxAbsReference;
}

/** The worst of the outputs, each relative to its own size. */
export function compare(
  actual: readonly Tensor[],
  reference: readonly Tensor[],
  budget: Budget,
  seed: number,
) {
  const worst = actual
    .map((tensor, i) => difference(tensor, reference[i] as Tensor))
    .map((d) => ({ ...d, relative: d.maxAbsError / Math.max(d.maxAbsReference, Number.MIN_VALUE) }))
    .reduce((a, b) => (b.relative > a.relative ? b : a));
  return {
    samples: rows,
    seed,
    maxAbsError: worst.maxAbsError,
    maxRelError: worst.relative,
    tolerance: budget.relativeError * worst.maxAbsReference,
    passed: worst.relative <= budget.relativeError,
  };
}

async function run(
  model: ModelProto,
  inputs: readonly Tensor[],
  signature: Signature,
  outputs: readonly string[],
) {
  let session: InferenceSession;
  try {
    session = await openSession(encodeModel(model));
  } catch (error) {
    throw new ConversionError(
      'CONVERSION_SOURCE_CORRUPT',
      `ONNX Runtime refuses the model: ${(error as Error).message}`,
    );
  }
  try {
    return await runSession(session, feedsOf(signature.inputs, inputs), outputs);
  } finally {
    await session.release();
  }
}

const names = (signature: Signature) => signature.outputs.map((spec) => spec.name);

/** The first layer, in the order of computation, whose output is off: where to look for the mistake. */
async function firstDivergence(
  conversion: OnnxConversion,
  signature: Signature,
  inputs: readonly Tensor[],
  reference: ReferenceRun,
): Promise<string | undefined> {
  const probe = clone(ModelProtoSchema, conversion.model);
  const known = new Set([...probe.graph!.output, ...probe.graph!.input].map((info) => info.name));
  const points = conversion.trace.filter(({ tensor, at }) => !known.has(tensor) && reference.values.has(at));
  const unique = [...new Map(points.map((point) => [point.tensor, point])).values()];
  for (const { tensor, at } of unique) {
    const shape = (reference.values.get(at) as Tensor).shape.map(() => -1);
    probe.graph!.output.push(valueInfo({ name: tensor, dtype: 'float32', shape }));
  }
  const values = await run(
    probe,
    inputs,
    signature,
    unique.map((point) => point.tensor),
  );
  const wrong = unique.find(({ at }, i) => !isClose(values[i] as Tensor, reference.values.get(at) as Tensor));
  return wrong?.at.replace(/:\d+$/, '');
}

/**
 * Judges an exact conversion of a Keras model by the float64 reference, over seeded random inputs.
 * @throws ConversionError CONVERSION_PARITY_FAILED naming the first layer that diverges.
 */
export async function kerasParity(
  source: KerasModel,
  conversion: OnnxConversion,
  signature: Signature,
  seed: number,
): Promise<Parity> {
  const inputs = randomInputs(signature, seed);
  const reference = runReference(source, inputs);
  const actual = await run(conversion.model, inputs, signature, names(signature));
  const result = compare(actual, reference.outputs, exactBudget, seed);
  if (!result.passed) {
    const layer = await firstDivergence(conversion, signature, inputs, reference);
    const where = layer === undefined ? '' : `; the first layer that differs is '${layer}'`;
    throw new ConversionError(
      'CONVERSION_PARITY_FAILED',
      `Parity: the answers differ by ${result.maxAbsError.toExponential(2)}, allowed are ${result.tolerance.toExponential(2)}${where}`,
    );
  }
  return { reference: 'float64-interpreter', ...result };
}
