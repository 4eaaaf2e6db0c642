import type { DataType, TensorSpec } from '../../../conversion/manifest/index.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';

/** JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
export type Schema = Readonly<Record<string, unknown>>;

export const text: Schema = { type: 'string' };
export const errorSchema: Schema = object({
  error: { ...text, description: 'What is wrong and what to do.' },
});

const integer = (bits: number, isSigned: boolean): Schema => ({
  type: 'integer',
  minimum: isSigned ? -(2 ** (bits - 1)) : 0,
  maximum: 2 ** (isSigned ? bits - 1 : bits) - 1,
});

const base64: Schema = object({ b64: { type: 'string', contentEncoding: 'base64' } });

/** One element as JSON. */
const elements = {
  bool: { type: 'boolean' },
  uint8: integer(8, false),
  uint16: integer(16, false),
  uint32: integer(32, false),
  uint64: { type: 'integer', minimum: 0 },
  int8: integer(8, true),
  int16: integer(16, true),
  int32: integer(32, true),
  int64: { type: 'integer' },
  float16: { type: 'number' },
  float32: { type: 'number' },
  float64: { type: 'number' },
  string: { anyOf: [text, base64] },
} as const satisfies Record<DataType, Schema>;

/** An object of these properties and no others, all of them required unless named optional. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

export function list(items: Schema, length = -1): Schema {
  return { type: 'array', items, ...(length >= 0 && { minItems: length, maxItems: length }) };
}

/** A tensor as nested lists; -1 is a list of any length. */
export function tensorSchema({ dtype }: TensorSpec, shape: readonly number[]): Schema {
  return shape.reduceRight<Schema>((inner, size) => list(inner, size), elements[dtype]);
}

/** Tensors by name; bare where there is one, as TensorFlow Serving has it. */
function tensors(specs: readonly TensorSpec[], shapeOf: (spec: TensorSpec) => readonly number[]): Schema {
  const byName = object(
    Object.fromEntries(specs.map((spec) => [spec.name, tensorSchema(spec, shapeOf(spec))])),
  );
  const [only] = specs;
  return specs.length === 1 && only ? { anyOf: [tensorSchema(only, shapeOf(only)), byName] } : byName;
}

const rowShape = ({ shape }: TensorSpec) => shape.slice(1);
const wholeShape = ({ shape }: TensorSpec) => shape;
const isBatched = (specs: readonly TensorSpec[]) => specs.every(({ shape }) => shape[0] === -1);

/** `:predict`: rows, columns, or the form of the article. */
export function predictRequest(inputs: readonly TensorSpec[], processedRow?: Schema): Schema {
  const tensorRow = tensors(inputs, rowShape);
  const rowSchema = processedRow === undefined ? tensorRow : { anyOf: [processedRow, tensorRow] };
  const rows = object({ signature_name: text, instances: { ...list(rowSchema), minItems: 1 } }, [
    'signature_name',
  ]);
  const columns = object({ signature_name: text, inputs: tensors(inputs, wholeShape) }, ['signature_name']);
  return { oneOf: isBatched(inputs) ? [rows, columns] : [columns] };
}

/** `predictions` by row or `outputs` by column, as it was asked. */
export function predictResponse(
  outputs: readonly TensorSpec[],
  processed: readonly TensorSpec[] = outputs,
): Schema {
  if (processed !== outputs) return { anyOf: [predictResponse(outputs), predictResponse(processed)] };
  const columns = object({ outputs: tensors(outputs, wholeShape) });
  return {
    oneOf: isBatched(outputs)
      ? [object({ predictions: list(tensors(outputs, rowShape)) }), columns]
      : [columns],
  };
}

/** `:classify` and `:regress`: each example gives a row of every input, flat. */
export function examplesRequest(inputs: readonly TensorSpec[], processedRow?: Schema): Schema {
  const feature = (spec: TensorSpec) => {
    const size = rowShape(spec).reduce((product, each) => product * each, 1);
    const values = list(elements[spec.dtype], size);
    return size === 1 ? { anyOf: [elements[spec.dtype], values] } : values;
  };
  const example = object(Object.fromEntries(inputs.map((spec) => [spec.name, feature(spec)])));
  return object(
    {
      signature_name: text,
      examples: {
        ...list(processedRow === undefined ? example : { anyOf: [processedRow, example] }),
        minItems: 1,
      },
    },
    ['signature_name'],
  );
}

export const shapeSchema = list({ type: 'integer', minimum: 0 });
const tensorHead = ({ name, dtype }: TensorSpec) => ({
  name: { const: name },
  datatype: { const: openInferenceNames[dtype] },
});

/** `infer` with all data in JSON. */
export function inferRequest(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  processed?: Schema,
): Schema {
  const input = (spec: TensorSpec) =>
    object({ ...tensorHead(spec), shape: shapeSchema, data: list(elements[spec.dtype]) });
  const asTensors = {
    type: 'array',
    prefixItems: inputs.map(input),
    items: false,
    minItems: inputs.length,
  };
  const wanted = object({ name: { enum: outputs.map(({ name }) => name) }, parameters: { type: 'object' } }, [
    'parameters',
  ]);
  return object(
    {
      id: text,
      parameters: { type: 'object' },
      inputs: processed === undefined ? asTensors : { anyOf: [asTensors, processed] },
      outputs: list(wanted),
    },
    ['id', 'parameters', 'outputs'],
  );
}

export function inferResponse(outputs: readonly TensorSpec[]): Schema {
  const output = (spec: TensorSpec) =>
    object({ ...tensorHead(spec), shape: shapeSchema, data: list(elements[spec.dtype]) });
  return object(
    { id: text, model_name: text, model_version: text, outputs: list({ oneOf: outputs.map(output) }) },
    ['id'],
  );
}

const metadataTensors = list(
  object({ name: text, datatype: text, shape: list({ type: 'integer', minimum: -1 }) }),
);

/** Metadata of the Open Inference Protocol. */
export const modelMetadata = object(
  {
    name: text,
    versions: list(text),
    platform: text,
    inputs: metadataTensors,
    outputs: metadataTensors,
    processing: {
      type: 'object',
      description: 'Pictures, columns and labels, as the manifest declares them.',
    },
  },
  ['processing'],
);

/** Status of TensorFlow Serving. */
export const modelStatus = object({
  model_version_status: list(
    object({
      version: text,
      state: { enum: ['UNKNOWN', 'START', 'LOADING', 'AVAILABLE', 'UNLOADING', 'END'] },
      status: object({ error_code: text, error_message: text }),
    }),
  ),
});

/** A request that is answered later. */
export const laterState = object({
  id: { type: 'string', format: 'uuid' },
  model: text,
  state: { enum: ['waiting', 'running', 'done', 'failed', 'cancelled', 'expired'] },
  submittedAtMs: { type: 'integer', minimum: 0 },
});
