import { defaultSignatureName, type TensorSpec } from '../../../conversion/manifest/index.ts';
import { badInput } from '../../dataplane.ts';
import type { Servable } from '../../engine/servable.ts';
import type { TensorValue } from '../../engine/tensor.ts';
import { ServingError } from '../../errors.ts';
import { exampleRow } from '../../example.ts';
import { nestedFromTensor, tensorFromFlat, tensorFromNested } from './values.ts';

/** How a request gave its inputs, and so how its answer gives the outputs. */
export type Form = 'row' | 'column';

export interface PredictRequest {
  readonly form: Form;
  readonly inputs: readonly TensorValue[];
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && !('b64' in value);

/** @throws ServingError SERVING_BAD_JSON with TensorFlow Serving's words. */
export function parseBody(body: Buffer, servable: Servable): Json {
  const example = JSON.stringify(exampleRow(servable.signature));
  if (body.length === 0) {
    throw new ServingError('SERVING_BAD_JSON', 'JSON Parse error: The document is empty', example);
  }
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new ServingError('SERVING_BAD_JSON', `JSON Parse error: ${(error as Error).message}`, example);
  }
  if (!isObject(json)) throw new ServingError('SERVING_BAD_JSON', 'JSON Value is not an object', example);
  return json;
}

function checkSignatureName(json: Json): void {
  const name = json['signature_name'] ?? defaultSignatureName;
  if (typeof name !== 'string') {
    throw new ServingError('SERVING_BAD_SIGNATURE', "'signature_name' key must be a string value");
  }
  if (name !== defaultSignatureName && name !== '') {
    throw new ServingError(
      'SERVING_BAD_SIGNATURE',
      `Serving signature name: "${name}" not found in signature def`,
    );
  }
}

/** `instances`: a list of rows; a row is a bare value for one input, an object by name for several. */
function rowForm(servable: Servable, instances: unknown): readonly TensorValue[] {
  if (!Array.isArray(instances) || instances.length === 0) {
    throw badInput(servable, "'instances' must be a list with at least one row");
  }
  const specs = servable.signature.inputs;
  if (!isObject(instances[0])) {
    const [only] = specs;
    if (specs.length !== 1 || only === undefined) {
      throw badInput(
        servable,
        `The model takes ${specs.length} inputs: each row must be an object by input name`,
      );
    }
    return [tensorFromNested(servable, only, instances)];
  }
  const rows = instances as unknown[];
  return Object.keys(instances[0]).map((name) => {
    const values = rows.map((row, i) => {
      if (
        isObject(row) &&
        Object.keys(row).length === Object.keys(instances[0] as Json).length &&
        name in row
      ) {
        return row[name];
      }
      throw badInput(
        servable,
        `Row ${i} does not have the inputs of row 0: ${Object.keys(instances[0] as Json).join(', ')}`,
      );
    });
    return tensorFromNested(servable, specByName(servable, name), values);
  });
}

function specByName(servable: Servable, name: string): TensorSpec {
  const spec = servable.signature.inputs.find((candidate) => candidate.name === name);
  if (spec !== undefined) return spec;
  const known = servable.signature.inputs.map((candidate) => `'${candidate.name}'`).join(', ');
  throw badInput(servable, `There is no input '${name}'; the model takes ${known}`);
}

/** `{"inputs":[{"data":[...]}]}`: one element a tensor, in signature order unless named. */
function sourceForm(servable: Servable, elements: readonly Json[]): readonly TensorValue[] {
  const specs = servable.signature.inputs;
  if (elements.length !== specs.length && !elements.every((element) => typeof element['name'] === 'string')) {
    throw badInput(servable, `The model takes ${specs.length} inputs, the request gives ${elements.length}`);
  }
  return elements.map((element, i) => {
    const name = element['name'];
    const spec = typeof name === 'string' ? specByName(servable, name) : (specs[i] as TensorSpec);
    return tensorFromFlat(servable, spec, element['data'], element['shape']);
  });
}

/** `inputs`: an object by input name, a bare value for one input, or the source's form. */
function columnForm(servable: Servable, inputs: unknown): readonly TensorValue[] {
  if (
    Array.isArray(inputs) &&
    inputs.length > 0 &&
    inputs.every((element) => isObject(element) && 'data' in element)
  ) {
    return sourceForm(servable, inputs as Json[]);
  }
  if (isObject(inputs)) {
    return Object.entries(inputs).map(([name, value]) =>
      tensorFromNested(servable, specByName(servable, name), value),
    );
  }
  const [only] = servable.signature.inputs;
  if (servable.signature.inputs.length !== 1 || only === undefined) {
    throw badInput(
      servable,
      `The model takes ${servable.signature.inputs.length} inputs: 'inputs' must be an object by input name`,
    );
  }
  return [tensorFromNested(servable, only, inputs)];
}

/** @throws ServingError SERVING_BAD_JSON, SERVING_BAD_SIGNATURE, SERVING_BAD_INPUT */
export function parsePredict(servable: Servable, body: Buffer): PredictRequest {
  const json = parseBody(body, servable);
  checkSignatureName(json);
  const hasRows = 'instances' in json;
  const hasColumns = 'inputs' in json;
  if (hasRows === hasColumns) {
    const which = hasRows
      ? "Both 'inputs' and 'instances' are there: one is allowed"
      : "Missing 'inputs' or 'instances' key";
    throw badInput(servable, which);
  }
  return hasRows
    ? { form: 'row', inputs: rowForm(servable, json['instances']) }
    : { form: 'column', inputs: columnForm(servable, json['inputs']) };
}

/** `predictions` by row or `outputs` by column; bare where the model has one output. */
export function renderPredict(form: Form, outputs: readonly TensorValue[], rows: number): string {
  const [only] = outputs;
  const single = outputs.length === 1 && only !== undefined;
  if (form === 'column') {
    const value = single
      ? nestedFromTensor(only)
      : Object.fromEntries(outputs.map((output) => [output.name, nestedFromTensor(output)]));
    return JSON.stringify({ outputs: value });
  }
  const columns = outputs.map((output) => ({
    name: output.name,
    values: nestedFromTensor(output) as unknown[],
  }));
  const predictions = single
    ? columns[0]?.values
    : Array.from({ length: rows }, (_, row) =>
        Object.fromEntries(columns.map(({ name, values }) => [name, values[row]])),
      );
  return JSON.stringify({ predictions });
}
