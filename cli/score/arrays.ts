import type { Signature, TensorSpec } from '../../conversion/manifest/index.ts';
import { allocate, type TensorValue } from '../../serving/engine/tensor.ts';
import { halfBits, halfValue } from '../../serving/wire/float16.ts';
import { type ArrayRows, BadInput, type Rows } from './record.ts';

type Value = number | bigint;

/** NumPy's element types. */
export const numpyReaders: Readonly<Record<string, (view: DataView, at: number) => Value>> = {
  b1: (view, at) => view.getUint8(at),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at) => view.getUint16(at, true),
  i2: (view, at) => view.getInt16(at, true),
  u4: (view, at) => view.getUint32(at, true),
  i4: (view, at) => view.getInt32(at, true),
  u8: (view, at) => view.getBigUint64(at, true),
  i8: (view, at) => view.getBigInt64(at, true),
  f2: (view, at) => halfValue(view.getUint16(at, true)),
  f4: (view, at) => view.getFloat32(at, true),
  f8: (view, at) => view.getFloat64(at, true),
};

/** Rows of arrays in the element types that the model takes. @throws BadInput */
export function arrayTensors({ inputs }: Signature, rows: Extract<Rows, { kind: 'arrays' }>): TensorValue[] {
  return rows.arrays.map((array) => {
    const spec = inputs.find(({ name }) => name === array.name) as TensorSpec;
    return {
      name: spec.name,
      dtype: spec.dtype,
      shape: shapeOf(spec, array, rows.rows),
      data: dataOf(spec, array),
    };
  });
}

/** As the array has it, or as the model wants it where only the nesting differs: 28 x 28 for 784. */
function shapeOf({ shape }: TensorSpec, { rowShape }: ArrayRows, rows: number): number[] {
  const wanted = shape.slice(1);
  const size = (sizes: readonly number[]) => sizes.reduce((product, each) => product * each, 1);
  return [rows, ...(!wanted.includes(-1) && size(wanted) === size(rowShape) ? wanted : rowShape)];
}

/** A value as the array for its type holds it. */
function elementOf(dtype: TensorSpec['dtype'], value: Value): Value {
  if (dtype === 'float16') return halfBits(Number(value));
  if (dtype === 'bool') return Number(value) === 0 ? 0 : 1;
  const isWhole = typeof value === 'bigint' || Number.isInteger(value);
  return isWhole && (dtype === 'int64' || dtype === 'uint64') ? BigInt(value) : Number(value);
}

/** @throws BadInput where a value is none of the type: the array would keep its lowest bits, or its whole part */
function dataOf({ name, dtype }: TensorSpec, { code, bytes, scale }: ArrayRows): TensorValue['data'] {
  const read = numpyReaders[code];
  if (read === undefined || dtype === 'string')
    throw new BadInput(`array '${name}' holds ${code}, the model takes ${dtype}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = Number(code[1]);
  const count = bytes.length / size;
  const data = allocate(dtype, count);
  const elements = data as unknown as Value[];
  const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const isExact = !dtype.startsWith('float');
  for (let index = 0; index < count; index++) {
    const value = read(view, index * size);
    const element = elementOf(dtype, scale === 1 ? value : Number(value) * scale);
    const fits = !isBig || typeof element === 'bigint';
    if (fits) elements[index] = element;
    if (!fits || (isExact && elements[index] !== element))
      throw new BadInput(`array '${name}' holds a value that is no ${dtype}`);
  }
  return data;
}
