import { Builder, type Offset } from 'flatbuffers';
import {
  type Field,
  type FieldValue,
  type Row,
  type ScalarType,
  scalarSize,
  type TableSchema,
} from './table.ts';

/** A slot's place in the vtable, as the library counts it. */
type Add = (builder: Builder, slot: number, value: number, fallback: number) => void;

const addScalar: Readonly<Record<ScalarType, Add>> = {
  bool: (b, slot, value, fallback) => b.addFieldInt8(slot, value, fallback),
  int8: (b, slot, value, fallback) => b.addFieldInt8(slot, value, fallback),
  uint8: (b, slot, value, fallback) => b.addFieldInt8(slot, value, fallback),
  int32: (b, slot, value, fallback) => b.addFieldInt32(slot, value, fallback),
  uint32: (b, slot, value, fallback) => b.addFieldInt32(slot, value, fallback),
  uint64: (b, slot, value, fallback) => b.addFieldInt64(slot, BigInt(value), BigInt(fallback)),
  float32: (b, slot, value, fallback) => b.addFieldFloat32(slot, Math.fround(value), fallback),
};

const isScalar = (type: Field['type']): type is ScalarType => type in scalarSize;

function vector(
  builder: Builder,
  size: number,
  values: readonly number[],
  add: (value: number) => void,
): Offset {
  builder.startVector(size, values.length, size);
  for (let i = values.length - 1; i >= 0; i--) add(values[i] as number);
  return builder.endVector();
}

/** Writes what lies outside the table itself. */
function child(builder: Builder, field: Field, value: FieldValue): Offset {
  switch (field.type) {
    case 'int32s':
      return vector(builder, 4, value as number[], (v) => builder.addInt32(v));
    case 'float32s':
      return vector(builder, 4, value as number[], (v) => builder.addFloat32(v));
    case 'int64s':
      return vector(builder, 8, value as number[], (v) => builder.addInt64(BigInt(v)));
    case 'string':
      return builder.createSharedString(value as string);
    case 'bytes': {
      const bytes = value as Uint8Array;
      builder.prep(16, bytes.length);
      return builder.createByteVector(bytes);
    }
    case 'table':
      return table(builder, (field as { of: TableSchema }).of, value as Row);
    case 'tables': {
      const offsets = (value as Row[]).map((row) => table(builder, (field as { of: TableSchema }).of, row));
      return vector(builder, 4, offsets, (offset) => builder.addOffset(offset));
    }
    default: {
      const { schema, row } = value as { schema: TableSchema; row: Row };
      return table(builder, schema, row);
    }
  }
}

function table(builder: Builder, schema: TableSchema, row: Row): Offset {
  const present = Object.entries(schema).filter(([name]) => row[name] !== undefined);
  const offsets = new Map<string, Offset>();
  for (const [name, field] of present) {
    if (!isScalar(field.type)) offsets.set(name, child(builder, field, row[name]));
  }
  const slots = Math.max(-1, ...Object.values(schema).map((field) => field.id)) + 1;
  builder.startObject(slots);
  // Wide fields first: nothing is lost to padding between them.
  const size = ([, field]: [string, Field]) => (isScalar(field.type) ? scalarSize[field.type] : 4);
  for (const [name, field] of [...present].sort((a, b) => size(b) - size(a))) {
    const offset = offsets.get(name);
    if (offset !== undefined) builder.addFieldOffset(field.id, offset, 0);
    else {
      const fallback = (field as { default?: number }).default ?? 0;
      addScalar[field.type as ScalarType](builder, field.id, Number(row[name]), fallback);
    }
  }
  return builder.endObject();
}

/**
 * A flatbuffer with `row` as its root. The same row gives the same bytes.
 * @param sizeHint about how many bytes it takes, so that they are not copied as it grows.
 */
export function encodeTable(schema: TableSchema, row: Row, identifier: string, sizeHint: number): Uint8Array {
  const builder = new Builder(sizeHint);
  builder.finish(table(builder, schema, row), identifier);
  return builder.asUint8Array();
}
