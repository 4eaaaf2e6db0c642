import type { Signature, TensorSpec } from '../../conversion/manifest/index.ts';
import { allocate, type TensorValue } from '../../serving/engine/tensor.ts';
import { halfBits, halfValue } from '../../serving/wire/float16.ts';
import { type ArrayRows, BadInput, type Rows } from './record.ts';

/** NumPy's element types. */
const readers: Readonly<Record<string, (view: DataView, at: number) => number | bigint>> = {
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

function dataOf({ name, dtype }: TensorSpec, { code, bytes, scale }: ArrayRows): TensorValue['data'] {
  const read = readers[code];
  if (read === undefined || dtype === 'string')
    throw new BadInput(`array '${name}' holds ${code}, the model takes ${dtype}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = Number(code[1]);
  const count = bytes.length / size;
  const data = allocate(dtype, count);
  for (let index = 0; index < count; index++) {
    const value = read(view, index * size);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(value);
    else {
      const scaled = scale === 1 ? Number(value) : Math.fround(Number(value) * scale);
      (data as Float32Array)[index] = dtype === 'float16' ? halfBits(scaled) : scaled;
    }
  }
  return data;
}
