import * as z from 'zod';

/** JSON form of one tensor in a record: flat, row-major. */
const RecordedTensor = z.strictObject({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data: z.array(z.union([z.number(), z.string(), z.boolean()])),
});
export type RecordedTensor = z.infer<typeof RecordedTensor>;

/** One answered request. Inputs are there only where the privacy setting allows it (`recordInputs`). */
export const PredictionRecord = z.strictObject({
  /** UUIDv7, the header `x-modelmile-prediction-id`. */
  predictionId: z.uuid(),
  model: z.string(),
  version: z.int().min(1),
  /** Manifest digest of the version that answered. */
  digest: z.string(),
  /** Milliseconds since the epoch. */
  atMs: z.int(),
  rows: z.int().min(1),
  inputs: z.array(RecordedTensor).optional(),
  outputs: z.array(RecordedTensor),
});
export type PredictionRecord = z.infer<typeof PredictionRecord>;

/** Longest name of a class. */
const longestLabel = 200;
/** Text that every database keeps: no NUL, and no half of a surrogate pair. */
const LabelName = z
  .string()
  .min(1)
  .max(longestLabel)
  .refine(
    (text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text),
    'text without NUL or lone surrogates',
  );

/** Body of `POST /v1/models/{m}:feedback`: exactly one of label, rating, correction. */
export const FeedbackRequest = z
  .strictObject({
    predictionId: z.uuid(),
    /** Row of the prediction that the feedback is about. */
    row: z.int().min(0).default(0),
    /** The true class: an index, or a name of the manifest's labels. */
    label: z.union([z.int().min(0), LabelName]).optional(),
    /** How good the answer was, 0 (useless) to 1 (right). */
    rating: z.number().min(0).max(1).optional(),
    /** The true output values of the row, flat. */
    correction: z.array(z.number()).optional(),
  })
  .refine((f) => [f.label, f.rating, f.correction].filter((v) => v !== undefined).length === 1, {
    message: 'exactly one of label, rating, correction',
  });
export type FeedbackRequest = z.infer<typeof FeedbackRequest>;

/** What `feedback export` streams, one JSON object a line: the feedback joined with the row it is about. */
export const FeedbackRecord = z.strictObject({
  feedbackId: z.uuid(),
  predictionId: z.uuid(),
  model: z.string(),
  version: z.int().min(1),
  digest: z.string(),
  row: z.int().min(0),
  atMs: z.int(),
  label: z.union([z.int().min(0), z.string()]).optional(),
  rating: z.number().optional(),
  correction: z.array(z.number()).optional(),
  /** The row's inputs, batch dimension 1; absent where inputs are not recorded. */
  inputs: z.array(RecordedTensor).optional(),
  /** What was answered for the row, batch dimension 1. */
  outputs: z.array(RecordedTensor),
});
export type FeedbackRecord = z.infer<typeof FeedbackRecord>;
