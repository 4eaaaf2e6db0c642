import type { TensorSpec } from '../conversion/manifest/index.ts';
import type { Servable } from './engine/servable.ts';
import {
  allocate,
  countOf,
  mayGrowTo,
  rowSizeOf,
  type TensorData,
  type TensorValue,
} from './engine/tensor.ts';
import { columnTensor } from './processing/columns.ts';
import { badInput } from './validation.ts';
import { halfBits } from './wire/float16.ts';

/** TensorFlow's `tf.Example`: values by feature name. */
export type Example = ReadonlyMap<string, readonly FeatureValue[]>;
export type FeatureValue = number | bigint | string | Uint8Array;

/**
 * Examples as the model's inputs, one row an example: the feature with an input's name holds the row's values, in row-major order.
 * @throws ServingError SERVING_BAD_INPUT naming the example and the feature
 */
export function inputsOfExamples(servable: Servable, examples: readonly Example[]): TensorValue[] {
  if (examples.length === 0) throw badInput(servable, 'Input is empty: there are no examples');
  const { processor } = servable;
  return servable.signature.inputs.flatMap((spec) => {
    if (examples.some((example) => example.has(spec.name)) || processor === undefined) {
      return processor?.imageOf(spec.name) !== undefined && isText(examples, spec.name)
        ? [cellColumn(spec.name, examples)]
        : [columnOf(servable, spec, examples)];
    }
    const columns = processor.columnsOf(spec.name);
    return columns.length > 0
      ? columns.map((name) => cellColumn(name, examples))
      : [columnOf(servable, spec, examples)];
  });
}

const isText = (examples: readonly Example[], name: string): boolean => {
  const [value] = examples.find((example) => example.has(name))?.get(name) ?? [];
  return typeof value === 'string' || value instanceof Uint8Array;
};

/** A picture or one value of a column from each example. */
function cellColumn(name: string, examples: readonly Example[]): TensorValue {
  return columnTensor(
    name,
    examples.map((example) => example.get(name)?.[0]),
  );
}

function columnOf(servable: Servable, spec: TensorSpec, examples: readonly Example[]): TensorValue {
  const rowSize = rowSizeOf(spec);
  if (rowSize === undefined || spec.shape[0] !== -1) {
    throw badInput(
      servable,
      `Input '${spec.name}' has the shape [${spec.shape}], which examples cannot give: use predict`,
    );
  }
  const shape = [examples.length, ...spec.shape.slice(1)];
  if (!mayGrowTo(spec.dtype, countOf(shape)))
    throw badInput(servable, `${examples.length} examples are too many for one request`);
  const data = allocate(spec.dtype, countOf(shape));
  examples.forEach((example, row) => {
    const values = example.get(spec.name);
    if (values?.length !== rowSize) {
      throw badInput(
        servable,
        `Example ${row}: feature '${spec.name}' must have ${rowSize} values, it has ${values?.length ?? 'none'}`,
      );
    }
    values.forEach((value, index) => {
      store(servable, spec, data, row * rowSize + index, value);
    });
  });
  return { name: spec.name, dtype: spec.dtype, shape, data };
}

function store(
  servable: Servable,
  spec: TensorSpec,
  data: TensorData,
  at: number,
  value: FeatureValue,
): void {
  const isText = typeof value === 'string' || value instanceof Uint8Array;
  const isInteger = !spec.dtype.startsWith('float');
  if (isText !== (spec.dtype === 'string') || (!isText && isInteger && !Number.isInteger(Number(value)))) {
    throw badInput(servable, `Feature '${spec.name}' is not of expected type: ${spec.dtype}`);
  }
  if (isText) (data as FeatureValue[])[at] = value;
  else if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[at] = BigInt(value);
  else if (spec.dtype === 'float16') (data as Uint16Array)[at] = halfBits(Number(value));
  else (data as Float32Array)[at] = Number(value);
}
