import { isUtf8 } from 'node:buffer';
import type { TensorSpec } from '../conversion/manifest/index.ts';
import type { Servable } from './engine/servable.ts';
import { countOf, fits, type TensorValue } from './engine/tensor.ts';
import { ServingError } from './errors.ts';
import { exampleRow } from './example.ts';

/** A refusal of an input, with a body for `:predict` that the same model answers. */
export function badInput(servable: Servable, message: string): ServingError {
  return new ServingError('SERVING_BAD_INPUT', message, JSON.stringify(exampleRow(servable)));
}

/**
 * The inputs in the signature's order, each with the type and shape that it asks for.
 * @throws ServingError SERVING_BAD_INPUT naming the input, what was expected, what came
 */
export function orderedInputs(servable: Servable, inputs: readonly TensorValue[]): readonly TensorValue[] {
  const specs = servable.signature.inputs;
  const isInOrder =
    inputs.length === specs.length && specs.every((spec, index) => inputs[index]?.name === spec.name);
  if (!isInOrder) checkNames(servable, inputs);
  return specs.map((spec, index) => {
    const input = isInOrder ? inputs[index] : inputs.findLast(({ name }) => name === spec.name);
    if (input === undefined) throw badInput(servable, `Input '${spec.name}' is missing`);
    checkTensor(servable, spec, input);
    return input;
  });
}

function checkNames(servable: Servable, inputs: readonly TensorValue[]): void {
  const { signature } = servable;
  for (const { name } of inputs) {
    if (signature.inputs.some((spec) => spec.name === name)) continue;
    const known = signature.inputs.map((spec) => `'${spec.name}'`).join(', ');
    throw badInput(servable, `There is no input '${name}'; the model takes ${known}`);
  }
}

function checkTensor(servable: Servable, spec: TensorSpec, { dtype, shape, data }: TensorValue): void {
  if (dtype !== spec.dtype) {
    throw badInput(servable, `Input '${spec.name}': expected type ${spec.dtype}, got ${dtype}`);
  }
  // Two halves of a row would fit one that lies between them in a batch.
  const isShape = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape || !fits(spec, shape) || countOf(shape) !== data.length) {
    throw badInput(
      servable,
      `Input '${spec.name}': expected shape [${spec.shape}], got [${shape}] with ${data.length} values`,
    );
  }
  if (!Array.isArray(data)) return;
  const index = data.findIndex((value) => !isText(value));
  if (index >= 0)
    throw badInput(
      servable,
      `Input '${spec.name}': value ${index} is no text in UTF-8 without character 0, which is all that the model can be given`,
    );
}

/** The runtime takes text, and ends it at a character 0: what it would change is refused, not changed. */
const isText = (value: string | Uint8Array): boolean =>
  typeof value === 'string' ? !/[\0\p{Surrogate}]/u.test(value) : isUtf8(value) && !value.includes(0);

/** How many rows inputs in order have; 1 where the model does not know rows. @throws ServingError SERVING_BAD_INPUT */
export function rowsOf(servable: Servable, inputs: readonly TensorValue[]): number {
  const first = inputs[0] as TensorValue;
  const rows = first.shape[0] ?? 1;
  // A shape like [1e12, 0] is as short as any other, and its rows would be made by the model.
  if (inputs.every(({ data }) => data.length === 0)) throw badInput(servable, 'There are no values');
  if (!servable.batchable) return Math.max(rows, 1);
  for (const input of inputs) {
    if (input.shape[0] === rows) continue;
    throw badInput(
      servable,
      `Input '${first.name}' has ${rows} rows and input '${input.name}' has ${input.shape[0]}: they must be equal`,
    );
  }
  if (rows === 0) throw badInput(servable, 'There are no rows');
  return rows;
}

/** An answer many times as long as its request is nobody's. @throws ServingError SERVING_BAD_INPUT */
export function assertNamedOnce(names: readonly string[]): void {
  if (new Set(names).size === names.length) return;
  throw new ServingError('SERVING_BAD_INPUT', 'An output is named twice');
}

/** Places of outputs by name. @throws ServingError SERVING_BAD_INPUT */
export function placesOf({ signature }: Servable, names: readonly string[]): number[] {
  return names.map((name) => {
    const index = signature.outputs.findIndex((spec) => spec.name === name);
    if (index >= 0) return index;
    const known = signature.outputs.map((spec) => `'${spec.name}'`).join(', ');
    throw new ServingError('SERVING_BAD_INPUT', `There is no output '${name}'; the model gives ${known}`);
  });
}
