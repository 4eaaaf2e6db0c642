import * as z from 'zod';
import type { Signature, TensorSpec } from './tensor-spec.ts';

/** `(value * scale + offset - mean) / std`, each step in float32, as Keras's Rescaling and Normalization do. */
const normalisation = {
  scale: z.number().default(1),
  offset: z.number().default(0),
};

const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(4)]);
const notZero = (std: number | number[]) => [std].flat().every((value) => value !== 0);

/** A model input that is a picture: JPEG or PNG bytes to pixels, resized and normalised. */
export const ImageInput = z.strictObject({
  image: z.strictObject({
    height: z.int().min(1).max(8192),
    width: z.int().min(1).max(8192),
    /** What the model takes: one brightness, or red, green and blue in one of two orders. */
    channels: z.enum(['gray', 'rgb', 'bgr']).default('rgb'),
    /** As `tf.image.resize` does it, without antialiasing: what Keras's `Resizing` layer and data set loaders do. */
    resize: z.enum(['bilinear', 'nearest']).default('bilinear'),
    /** Cut to the model's proportions first, around the middle, as Keras's `crop_to_aspect_ratio`; otherwise the picture is stretched. */
    crop: z.boolean().default(false),
    layout: z.enum(['channels-last', 'channels-first']).default('channels-last'),
    ...normalisation,
    mean: perChannel.default(0),
    std: perChannel.default(1).refine(notZero, 'must not be 0'),
  }),
});
export type ImageInput = z.infer<typeof ImageInput>;

const name = z.string().min(1);

/** A number. Missing (absent, null, NaN, empty text) is `default`, or refused where there is none. */
export const NumberFeature = z.strictObject({
  name,
  kind: z.literal('number'),
  default: z.number().optional(),
  ...normalisation,
  mean: z.number().default(0),
  std: z.number().default(1).refine(notZero, 'must not be 0'),
});
export type NumberFeature = z.infer<typeof NumberFeature>;

/** One of a list of words, as one-hot or as its place in the list. */
export const CategoryFeature = z
  .strictObject({
    name,
    kind: z.literal('category'),
    /** In the order of training. Compared as text: 3, "3" and the cell 3 of a CSV file are the same. */
    vocabulary: z
      .array(z.union([z.string().min(1), z.int()]).transform(String))
      .min(1)
      .refine((words) => new Set(words).size === words.length, 'has a word twice'),
    encoding: z.enum(['one-hot', 'index']).default('one-hot'),
    /**
     * What a word that is not in the vocabulary becomes: `refuse` answers 400; `default` takes the default; `zeros` is a one-hot
     * without a one; `other` is a place of its own before the first word, as in Keras's StringLookup.
     */
    unknown: z.enum(['refuse', 'default', 'zeros', 'other']).default('refuse'),
    /** What a missing value means. */
    default: z.union([z.string(), z.int()]).transform(String).optional(),
  })
  .refine(({ unknown, default: word }) => unknown !== 'default' || word !== undefined, {
    message: "unknown: 'default' needs a default",
  })
  .refine(({ unknown, encoding }) => unknown !== 'zeros' || encoding === 'one-hot', {
    message: "unknown: 'zeros' is for one-hot",
  })
  .refine(({ vocabulary, default: word }) => word === undefined || vocabulary.includes(word), {
    message: 'the default is not in the vocabulary',
  });
export type CategoryFeature = z.infer<typeof CategoryFeature>;

/** One named column. */
export const Feature = z.discriminatedUnion('kind', [NumberFeature, CategoryFeature]);
export type Feature = z.infer<typeof Feature>;

/** A model input that is a row of named columns, one after the other. */
export const FeaturesInput = z.strictObject({ features: z.array(Feature).min(1) });
export type FeaturesInput = z.infer<typeof FeaturesInput>;

/** By name of the model's input; inputs that are not named are tensors as ever. */
export const Preprocessing = z.record(z.string(), z.union([ImageInput, FeaturesInput]));
export type Preprocessing = z.infer<typeof Preprocessing>;

/** What is made of the output that holds the classes' scores. The classes' names are the manifest's `labels`. */
export const Postprocessing = z.strictObject({
  /** Name of the output. */
  tensor: name,
  /** How many of the best classes are told. */
  top: z.int().min(1),
});
export type Postprocessing = z.infer<typeof Postprocessing>;

/** `<model>.processing.json` beside the model: how bytes and columns become its inputs, and its output becomes words. */
export const ProcessingFile = z.strictObject({
  inputs: Preprocessing.default({}),
  output: z
    .strictObject({
      /** Needed where the model has several outputs. */
      tensor: name.optional(),
      /** Class names, index = class. */
      labels: z.array(z.string().min(1)).min(2),
      /** Default: all of up to five classes. */
      top: z.int().min(1).optional(),
    })
    .optional(),
});
export type ProcessingFile = z.infer<typeof ProcessingFile>;

/** What a manifest holds of it. */
export interface Processing {
  readonly preprocessing?: Preprocessing | undefined;
  readonly postprocessing?: Postprocessing | undefined;
  readonly labels?: string[] | undefined;
}

/** What is told of it in metadata. */
export function declaredProcessing({ preprocessing, postprocessing, labels }: Processing) {
  return { inputs: preprocessing ?? {}, ...(postprocessing && { output: { ...postprocessing, labels } }) };
}

/** The outputs that a processed answer has in place of the scores; both [rows, top], best first. */
export const processedOutputs = { classes: 'classes', scores: 'scores' } as const;

/** Numbers that one column becomes. */
export function widthOf(feature: Feature): number {
  if (feature.kind === 'number' || feature.encoding === 'index') return 1;
  return feature.vocabulary.length + (feature.unknown === 'other' ? 1 : 0);
}

export const isImage = (input: ImageInput | FeaturesInput): input is ImageInput => 'image' in input;

const text = (spec: TensorSpec) => `'${spec.name}' ${spec.dtype} [${spec.shape}]`;
const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** Element types that pictures and columns can be written into. */
export const processedTypes = ['float32', 'float64', 'uint8', 'int32', 'int64'] as const;

function inputFaults(spec: TensorSpec, input: ImageInput | FeaturesInput): string[] {
  const row = spec.shape.slice(1);
  const faults: string[] = [];
  if (spec.shape[0] !== -1) faults.push(`input ${text(spec)} takes no batch`);
  if (!(processedTypes as readonly string[]).includes(spec.dtype)) {
    faults.push(`input ${text(spec)}: only ${processedTypes.join(', ')} can be made`);
  }
  if (!isImage(input)) {
    const width = input.features.reduce((sum, feature) => sum + widthOf(feature), 0);
    if (row.includes(-1) || sizeOf(row) !== width) {
      faults.push(`input ${text(spec)}: the features are ${width} numbers a row`);
    }
    return faults;
  }
  const { height, width, channels, layout, mean, std } = input.image;
  const depth = channels === 'gray' ? 1 : 3;
  const made = layout === 'channels-last' ? [height, width, depth] : [depth, height, width];
  const fits = row.length === 3 ? row.every((size, axis) => size === -1 || size === made[axis]) : false;
  const isFlat = !row.includes(-1) && sizeOf(row) === sizeOf(made);
  if (!fits && !isFlat) faults.push(`input ${text(spec)}: the picture is [${made}]`);
  for (const values of [mean, std]) {
    if (Array.isArray(values) && values.length !== depth) {
      faults.push(`input ${text(spec)}: mean and std are a number or one for each of ${depth} channels`);
    }
  }
  return faults;
}

function outputFaults(
  { outputs }: Signature,
  { tensor }: Postprocessing,
  labels: readonly string[],
): string[] {
  const spec = outputs.find((output) => output.name === tensor);
  if (spec === undefined) {
    return [`there is no output '${tensor}'; the model gives ${outputs.map(text).join(', ')}`];
  }
  const taken = outputs.filter(({ name }) => name !== tensor && Object.hasOwn(processedOutputs, name));
  const faults = taken.map(({ name }) => `the model has an output '${name}' already`);
  const classes = spec.shape[1] ?? 0;
  if (spec.shape.length !== 2 || spec.shape[0] !== -1 || !/^float(32|64)$/.test(spec.dtype)) {
    faults.push(`output ${text(spec)} does not hold a score for each class of a row`);
  } else if (classes !== -1 && classes !== labels.length && !(classes === 1 && labels.length === 2)) {
    faults.push(`output ${text(spec)}: there are ${labels.length} labels`);
  }
  return faults;
}

/** Everything in which a model and the processing declared for it do not fit; empty where they do. */
export function processingFaults(signature: Signature, processing: Processing): string[] {
  const { preprocessing = {}, postprocessing, labels } = processing;
  const faults = Object.entries(preprocessing).flatMap(([input, declared]) => {
    const spec = signature.inputs.find((candidate) => candidate.name === input);
    if (spec !== undefined) return inputFaults(spec, declared);
    return [`there is no input '${input}'; the model takes ${signature.inputs.map(text).join(', ')}`];
  });
  const columns = Object.values(preprocessing).flatMap((input) => (isImage(input) ? [] : input.features));
  const names = columns.map((column) => column.name);
  for (const twice of names.filter((column, index) => names.indexOf(column) !== index)) {
    faults.push(`the feature '${twice}' is there twice`);
  }
  for (const { name: input } of signature.inputs) {
    const own = preprocessing[input];
    const isOwn = own !== undefined && !isImage(own) && own.features.some((column) => column.name === input);
    if (names.includes(input) && !isOwn) faults.push(`the feature '${input}' has the name of another input`);
  }
  if (postprocessing !== undefined) faults.push(...outputFaults(signature, postprocessing, labels ?? []));
  return faults;
}
