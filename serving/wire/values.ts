import type { DataType } from '../../conversion/manifest/index.ts';
import { allocate, type TensorData } from '../engine/tensor.ts';
import { WireFault } from './faults.ts';

/** Types whose values come in fields that hold more than they do. */
const narrow: ReadonlySet<DataType> = new Set(['uint8', 'uint16', 'int8', 'int16', 'float16']);

/**
 * A tensor's elements from a message that has them one by one. The last value stands for all that would follow it, none for zeros.
 * @throws WireFault WIRE_OUT_OF_RANGE where one is no value of the type: an array would keep its lowest bits
 */
export function dataFromValues(
  dtype: DataType,
  count: number,
  values: readonly unknown[],
  path: string,
): TensorData {
  const data = allocate(dtype, count) as unknown[];
  for (let index = 0; index < count && values.length > 0; index++)
    data[index] = values[Math.min(index, values.length - 1)];
  const wrong = narrow.has(dtype) ? values.findIndex((value, index) => data[index] !== value) : -1;
  if (wrong < 0) return data as TensorData;
  throw new WireFault('WIRE_OUT_OF_RANGE', { path: `${path}[${wrong}]`, expected: dtype });
}
