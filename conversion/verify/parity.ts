import type { InferenceSession } from 'onnxruntime-node';
import { ConversionError } from '../errors.ts';
import type { KerasModel } from '../keras/model.ts';
import type { OnnxConversion, TracePoint } from '../keras/to-onnx.ts';
import type { Parity, Signature, TensorSpec } from '../manifest/index.ts';
import { type ValueInfoProto, valueInfo } from '../onnx/index.ts';
import { tableSizes, wholeDivisors, withoutZeroDivisors } from './input-bounds.ts';
import {
  type CustomReferences,
  placeOf,
  referenceOutputs,
  runReference,
  type Tensor,
} from './interpreter/index.ts';
import { permute } from './interpreter/tensor.ts';
import { judgedValues } from './logits.ts';
import { withMaskedSteps } from './masked-steps.ts';
import { seededRandom } from './random.ts';
import { RuntimeProducts } from './runtime-products.ts';
import { runSession, runtimeTensor } from './session.ts';

/** Rows per reference run: fewer for large rows, which the naive reference takes long for. */
const mostRows = 16;
const rowElements = 4096;
/** Numbers of one row beyond which neither the reference nor the memory of a usual machine can follow. */
const mostElements = 2 ** 25;
/** Sizes for dimensions that the model leaves open, the batch aside: the first that the model can take. */
export const openSizes = [8, 32, 128] as const;
/** Bound on the relative error of an exact (float32) conversion: float32 rounding, amplified by a network's depth. */
const exactTolerance = 1e-5;

/** How far results may lie from the reference, relative to the largest reference value. */
export interface Budget {
  readonly relativeError: number;
  /** What an output may be off by that is nothing but zeros, of which no part can be allowed. Default 0. */
  readonly zeroError?: number;
}

export const exactBudget: Budget = { relativeError: exactTolerance };

/** Rows of random inputs for a signature, at most as many as are wanted. */
function rowsFor(signature: Signature, wanted: number): number {
  const elements = signature.inputs.map(({ shape }) =>
    shape.slice(1).reduce((n, dim) => n * Math.max(dim, 1), 1),
  );
  const largest = Math.max(...elements, 1);
  if (largest > mostElements)
    throw new ConversionError('CONVERSION_TOO_LARGE', `A row of ${largest} numbers cannot be checked`);
  return Math.max(1, Math.min(wanted, Math.floor((mostRows * rowElements) / largest)));
}

/** Random inputs as a model might see: standard normal for floats, pixels for bytes, whole numbers below the model's tables otherwise. */
export function randomInputs(
  signature: Signature,
  seed: number,
  bounds: ReadonlyMap<string, number> = new Map(),
  openSize: number = openSizes[0],
  wanted: number = mostRows,
): Tensor[] {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const rows = rowsFor(signature, wanted);
  return signature.inputs.map(({ name, shape, dtype }) => {
    const concrete = shape.map((dim, axis) => (dim >= 0 ? dim : axis === 0 ? rows : openSize));
    const data = new Float64Array(concrete.reduce((product, dim) => product * dim, 1));
    const bound = bounds.get(name) ?? (dtype === 'uint8' ? 256 : dtype === 'bool' ? 2 : 8);
    const isFloat = dtype.startsWith('float') && !bounds.has(name);
    // Rounded to float32, so that both sides see the very same numbers.
    for (let i = 0; i < data.length; i++)
      data[i] = isFloat ? Math.fround(normal()) : Math.floor(random() * bound);
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
  // Without a single number, as of weights that training has ruined, there is nothing to compare.
  if (reference.data.length > 0 && !reference.data.some(Number.isFinite)) {
    return { maxAbsError: Number.POSITIVE_INFINITY, maxAbsReference: 1 };
  }
  let maxAbsError = 0;
  let maxAbsReference = 0;
  for (let i = 0; i < reference.data.length; i++) {
    const expected = reference.data[i] as number;
    // What is infinite on both sides is right.
    if (actual.data[i] === expected && !Number.isFinite(expected)) continue;
    const error = Math.abs((actual.data[i] as number) - expected);
    // NaN or infinity on either side, where the other has a number, is as wrong as it gets.
    if (!Number.isFinite(error) && !(Number.isNaN(expected) && Number.isNaN(actual.data[i]))) {
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

/** @throws ConversionError CONVERSION_PARITY_FAILED where a model has more outputs than its reference, or fewer */
function refuseOtherCount(actual: readonly unknown[], reference: readonly unknown[]): void {
  if (actual.length === reference.length) return;
  throw new ConversionError(
    'CONVERSION_PARITY_FAILED',
    `Parity: the model has ${actual.length} outputs, by its config it has ${reference.length}`,
  );
}

/** The worst of the outputs, each relative to its own size. */
export function compare(
  actual: readonly Tensor[],
  reference: readonly Tensor[],
  budget: Budget,
  seed: number,
) {
  refuseOtherCount(actual, reference);
  const worst = actual
    .map((tensor, i) => difference(tensor, reference[i] as Tensor))
    .map((d) => {
      const isZero = d.maxAbsReference === 0 && d.maxAbsError <= (budget.zeroError ?? 0);
      return { ...d, relative: isZero ? 0 : d.maxAbsError / Math.max(d.maxAbsReference, Number.MIN_VALUE) };
    })
    .reduce((a, b) => (b.relative > a.relative ? b : a));
  return {
    samples: (actual[0] as Tensor).shape[0] ?? 1,
    seed,
    maxAbsError: worst.maxAbsError,
    maxRelError: worst.relative,
    // Where anything is allowed the product is beyond what a number holds.
    tolerance:
      worst.maxAbsReference === 0
        ? (budget.zeroError ?? 0)
        : Math.min(budget.relativeError * worst.maxAbsReference, Number.MAX_VALUE),
    passed: worst.relative <= budget.relativeError,
  };
}

/** Runs an open session once and closes it. */
async function run(
  opening: Promise<InferenceSession>,
  inputs: readonly Tensor[],
  signature: Signature,
  outputs: readonly string[],
) {
  const session = await opening;
  try {
    return await runSession(session, feedsOf(signature.inputs, inputs), outputs);
  } finally {
    await session.release();
  }
}

/** A conversion before the gate. Large weights of its model may be missing. */
export interface Candidate extends OnnxConversion {
  /** A session of what ships. @param added values inside, which are wanted beside the outputs */
  open(added: readonly ValueInfoProto[]): Promise<InferenceSession>;
}

interface Trial {
  readonly products: RuntimeProducts;
  readonly source: KerasModel;
  readonly conversion: Candidate;
  readonly signature: Signature;
  readonly seed: number;
  readonly custom: CustomReferences;
}

/** The first layer, in the order of computation, whose output is off: where to look for the mistake. */
async function firstDivergence(
  { source, conversion, signature, custom }: Trial,
  inputs: readonly Tensor[],
): Promise<string | undefined> {
  const reference = runReference(source, inputs, custom);
  const valueAt = ({ at, output }: TracePoint) => reference.values.get(placeOf(at, output));
  const graph = conversion.model.graph!;
  const known = new Set([...graph.output, ...graph.input].map((info) => info.name));
  const made = new Set(graph.node.flatMap((node) => node.output));
  const points = conversion.trace.filter(
    (point) => !known.has(point.tensor) && made.has(point.tensor) && valueAt(point) !== undefined,
  );
  const unique = [...new Map(points.map((point) => [point.tensor, point])).values()];
  const outputs = unique.map((point) =>
    valueInfo({ name: point.tensor, dtype: point.dtype, shape: valueAt(point)!.shape.map(() => -1) }),
  );
  const values = await run(
    conversion.open(outputs),
    inputs,
    signature,
    unique.map((point) => point.tensor),
  ).catch(() => undefined);
  const wrong = unique.find((point, i) => {
    const whole = valueAt(point) as Tensor;
    const expected = point.channelsFirst ? withChannelsFirst(whole) : whole;
    return values !== undefined && !isClose(values[i] as Tensor, expected);
  });
  return wrong?.at.replaceAll(/:\d+(?=\/|$)/g, '');
}

function withChannelsFirst(x: Tensor): Tensor {
  const rank = x.shape.length;
  return permute(x, [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]);
}

/** Runs the reference on random inputs, with larger open sizes where it cannot run on small ones. */
async function referenceOn({ products, source, conversion, signature, seed, custom }: Trial) {
  const bounds = tableSizes(conversion.model);
  const isOpen = signature.inputs.some(({ shape }) => shape.slice(1).some((dim) => dim < 0));
  let failure: unknown;
  for (const size of isOpen ? openSizes : openSizes.slice(0, 1)) {
    const random = randomInputs(signature, seed, bounds, size);
    const divisible = withoutZeroDivisors(random, signature, conversion.model);
    const inputs = withMaskedSteps(divisible, signature, source, bounds, seed);
    try {
      const reference = await referenceOutputs(products.multiply, source, inputs, custom);
      if (reference.every((output) => output.data.length > 0)) return { inputs, reference };
    } catch (error) {
      failure = error;
    }
  }
  throw new ConversionError(
    'CONVERSION_UNSUPPORTED',
    `The model converts, but there is nothing to check it by: ${(failure as Error | undefined)?.message ?? 'its outputs are empty'}`,
  );
}

/** What the rounding of every layer's output to float32 alone does to the outputs, times this, is no mistake of a conversion. */
const roundingFactor = 32;
/** Beyond this nothing is put down to rounding. */
const roundingLimit = 1e-2;

/**
 * Judges an exact conversion of a Keras model, the bytes that ship, by the float64 reference, over seeded random inputs.
 * Allowed is 1e-5 of the largest value; where float32 itself cannot hold that (deep networks amplify rounding), what rounding does.
 * @throws ConversionError CONVERSION_PARITY_FAILED naming the first layer that diverges.
 */
export async function kerasParity(
  source: KerasModel,
  conversion: Candidate,
  signature: Signature,
  seed: number,
  custom: CustomReferences = {},
): Promise<Parity> {
  const products = new RuntimeProducts();
  try {
    return await judge({ products, source, conversion, signature, seed, custom });
  } finally {
    await products.release();
  }
}

/**
 * What float32 may leave where numbers cancel to nothing but zeros, such as the variance of a constant: one unit in the last place of the
 * largest number that the reference met. A wrong answer as small as that would be lost in the rounding of the numbers it was made of;
 * it counts for outputs that are 0 in every place and row only, any other has a size of its own to be judged by.
 */
function zeroErrorOf({ source, custom }: Trial, inputs: readonly Tensor[]): number {
  let largest = 0;
  for (const { data } of runReference(source, inputs, custom).values.values())
    for (const value of data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return 2 ** -23 * largest;
}

async function judge(trial: Trial): Promise<Parity> {
  const { products, source, conversion, signature, seed, custom } = trial;
  const { inputs, reference } = await referenceOn(trial);
  refuseOtherCount(signature.outputs, reference);
  const judged = judgedValues(conversion.model, signature, reference);
  const { actual, expected, ends } = judged.of(
    await run(conversion.open(judged.added), inputs, signature, judged.wanted),
  );
  let budget = exactBudget;
  let result = compare(actual, expected, budget, seed);
  if (!result.passed && result.tolerance === 0) {
    budget = { ...budget, zeroError: zeroErrorOf(trial, inputs) };
    result = compare(actual, expected, budget, seed);
  }
  if (!result.passed && result.maxRelError <= roundingLimit) {
    const rounded = await referenceOutputs(products.multiply, source, inputs, custom, true);
    const noise = compare(judged.alike(rounded), expected, exactBudget, seed);
    const relativeError = Math.min(roundingLimit, roundingFactor * noise.maxRelError);
    result = compare(actual, expected, { ...budget, relativeError }, seed);
  }
  for (const { actual, expected } of ends) {
    const end = compare([actual], [expected], budget, seed);
    if (result.passed && !end.passed) result = end;
  }
  if (!Number.isFinite(result.maxAbsError) && wholeDivisors(conversion.model.graph!).length > 0)
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      'The model converts, but there is nothing to check it by: whole numbers may be divided by 0, which has no answer; keep 0 out of it, as maximum(x, 1) does',
    );
  if (!result.passed) {
    const layer = await firstDivergence(trial, inputs);
    const where = layer === undefined ? '' : `; the first layer that differs is '${layer}'`;
    throw new ConversionError(
      'CONVERSION_PARITY_FAILED',
      `Parity: the answers differ by ${result.maxAbsError.toExponential(2)}, allowed are ${result.tolerance.toExponential(2)}${where}`,
    );
  }
  return { reference: 'float64-interpreter', ...result };
}
