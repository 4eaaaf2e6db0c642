import {
  type DataType,
  type Feature,
  isImage,
  type Manifest,
  type Signature,
  type TensorSpec,
} from '../conversion/manifest/index.ts';

const sample = (dtype: DataType): number | string | boolean =>
  dtype === 'string' ? '' : dtype === 'bool' ? false : 0;

/** A value of the given shape, nested; open sizes become 1. */
function nested(dtype: DataType, shape: readonly number[]): unknown {
  const [size, ...rest] = shape;
  if (size === undefined) return sample(dtype);
  return Array.from({ length: size < 0 ? 1 : size }, () => nested(dtype, rest));
}

/** A PNG of one black pixel: a picture that every model of pictures answers. */
const smallestPicture =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';

/** A value of a column that is taken. */
const cell = (feature: Feature): number | string =>
  feature.kind === 'number'
    ? (feature.default ?? feature.mean)
    : (feature.default ?? (feature.vocabulary[0] as string));

/** One row with pictures and columns, where the manifest declares any. */
function processedRow(
  { inputs }: Signature,
  { preprocessing }: Manifest,
): Record<string, unknown> | undefined {
  if (preprocessing === undefined) return undefined;
  const fields = inputs.flatMap((spec): [string, unknown][] => {
    const declared = preprocessing[spec.name];
    if (declared === undefined) return [[spec.name, nested(spec.dtype, spec.shape.slice(1))]];
    if (isImage(declared)) return [[spec.name, { b64: smallestPicture }]];
    return declared.features.map((feature) => [feature.name, cell(feature)]);
  });
  return Object.fromEntries(fields);
}

/**
 * A body for `:predict` that a model answers: pictures and columns where the manifest declares them, else TensorFlow Serving's row
 * form, or columns without a batch.
 */
export function exampleRow({
  signature,
  manifest,
}: {
  readonly signature: Signature;
  readonly manifest: Manifest;
}): Record<string, unknown> {
  const { inputs } = signature;
  const processed = processedRow(signature, manifest);
  if (processed !== undefined) return { instances: [processed] };
  const value = ({ dtype, shape }: TensorSpec) => nested(dtype, shape);
  if (inputs.some((spec) => spec.shape[0] !== -1)) {
    return { inputs: Object.fromEntries(inputs.map((spec) => [spec.name, value(spec)])) };
  }
  const row = (spec: TensorSpec) => nested(spec.dtype, spec.shape.slice(1));
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined) return { instances: [row(only)] };
  return { instances: [Object.fromEntries(inputs.map((spec) => [spec.name, row(spec)]))] };
}

/** A body for `:classify` and `:regress`: an example with every feature. */
export function exampleOfExamples({
  signature,
  manifest,
}: Parameters<typeof exampleRow>[0]): Record<string, unknown> {
  const features = processedRow(signature, manifest);
  if (features !== undefined) return { examples: [features] };
  const { inputs } = signature;
  return {
    examples: [
      Object.fromEntries(inputs.map((spec) => [spec.name, nested(spec.dtype, spec.shape.slice(1))])),
    ],
  };
}
