import {
  type Field,
  type FieldValue,
  type Row,
  type ScalarType,
  scalarSize,
  type TableSchema,
} from './table.ts';

/** A flatbuffer that points outside itself, or at more than it can hold. */
export class MalformedFlatbuffer extends Error {
  override readonly name = 'MalformedFlatbuffer';
}

/** How a union's schema is chosen, from the fields of the table that were read before it. */
export type UnionSchema = (row: Row) => TableSchema | undefined;

class Decoder {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #union: UnionSchema;
  /** Offsets may point at the same place many times: what is read in total stays in proportion to the file. */
  #credit: number;

  constructor(bytes: Uint8Array, union: UnionSchema) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#union = union;
    this.#credit = 4 * bytes.length + 1024;
  }

  root(schema: TableSchema): Row {
    return this.#table(this.#offset(0), schema, 0);
  }

  #range(at: number, size: number): number {
    if (at < 0 || size < 0 || at + size > this.#bytes.length) {
      throw new MalformedFlatbuffer(`${size} bytes at ${at} are outside the file`);
    }
    return at;
  }

  #spend(cost: number): void {
    this.#credit -= cost;
    if (this.#credit < 0) throw new MalformedFlatbuffer('it refers to the same bytes far too often');
  }

  #offset(at: number): number {
    return at + this.#view.getUint32(this.#range(at, 4), true);
  }

  #scalar(type: ScalarType, at: number): number | boolean {
    this.#range(at, scalarSize[type]);
    const view = this.#view;
    const read: Readonly<Record<ScalarType, () => number | boolean>> = {
      bool: () => view.getUint8(at) !== 0,
      int8: () => view.getInt8(at),
      uint8: () => view.getUint8(at),
      int32: () => view.getInt32(at, true),
      uint32: () => view.getUint32(at, true),
      uint64: () => Number(view.getBigUint64(at, true)),
      float32: () => view.getFloat32(at, true),
    };
    return read[type]();
  }

  /** @returns where the elements begin. */
  #vector(at: number, elementSize: number): { start: number; length: number } {
    const length = this.#view.getUint32(this.#range(at, 4), true);
    this.#range(at + 4, length * elementSize);
    this.#spend(elementSize === 1 ? 4 : 4 * (length + 1));
    return { start: at + 4, length };
  }

  #numbers(at: number, size: number, read: (at: number) => number): number[] {
    const { start, length } = this.#vector(at, size);
    return Array.from({ length }, (_, i) => read(start + i * size));
  }

  #child(field: Field, at: number, row: Row, depth: number): FieldValue {
    const target = this.#offset(at);
    switch (field.type) {
      case 'int32s':
        return this.#numbers(target, 4, (p) => this.#view.getInt32(p, true));
      case 'float32s':
        return this.#numbers(target, 4, (p) => this.#view.getFloat32(p, true));
      case 'int64s':
        return this.#numbers(target, 8, (p) => Number(this.#view.getBigInt64(p, true)));
      case 'string': {
        const { start, length } = this.#vector(target, 1);
        this.#spend(length);
        return new TextDecoder().decode(this.#bytes.subarray(start, start + length));
      }
      case 'bytes': {
        const { start, length } = this.#vector(target, 1);
        return this.#bytes.subarray(start, start + length);
      }
      case 'table':
        return this.#table(target, (field as { of: TableSchema }).of, depth + 1);
      case 'tables': {
        const { start, length } = this.#vector(target, 4);
        const schema = (field as { of: TableSchema }).of;
        return Array.from({ length }, (_, i) => this.#table(this.#offset(start + 4 * i), schema, depth + 1));
      }
      default: {
        const schema = this.#union(row);
        return schema === undefined ? undefined : { schema, row: this.#table(target, schema, depth + 1) };
      }
    }
  }

  #table(at: number, schema: TableSchema, depth: number): Row {
    const entries = Object.entries(schema);
    this.#spend(8 + entries.length);
    if (depth > 16) throw new MalformedFlatbuffer('its tables are nested too deeply');
    const vtable = at - this.#view.getInt32(this.#range(at, 4), true);
    const vtableSize = this.#view.getUint16(this.#range(vtable, 2), true);
    this.#range(vtable, vtableSize);
    const row: Row = {};
    // Unions come after the fields that say what they are: the schema lists them so.
    for (const [name, field] of entries) {
      const slot = 4 + 2 * field.id;
      const offset = slot + 2 <= vtableSize ? this.#view.getUint16(vtable + slot, true) : 0;
      if (field.type in scalarSize) {
        const fallback = (field as { default?: number }).default ?? 0;
        const missing = field.type === 'bool' ? fallback !== 0 : fallback;
        row[name] = offset === 0 ? missing : this.#scalar(field.type as ScalarType, at + offset);
      } else if (offset !== 0) row[name] = this.#child(field, at + offset, row, depth);
    }
    return row;
  }
}

/**
 * Reads a flatbuffer whose bytes nobody has vouched for: every offset is checked, time and memory are in proportion to the file.
 * @throws MalformedFlatbuffer
 */
export function decodeTable(schema: TableSchema, bytes: Uint8Array, union: UnionSchema): Row {
  return new Decoder(bytes, union).root(schema);
}
