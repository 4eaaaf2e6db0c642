/** How a field lies in a flatbuffer. `...s` are vectors; `bytes` is a vector whose content is aligned to 16, as kernels want it. */
export type ScalarType = 'bool' | 'int8' | 'uint8' | 'int32' | 'uint32' | 'uint64' | 'float32';
export type VectorType = 'int32s' | 'float32s' | 'int64s' | 'bytes' | 'string';

export interface ScalarField {
  readonly id: number;
  readonly type: ScalarType;
  /** Left out of the file where the value equals it. 0 where not given. */
  readonly default?: number;
}

export interface VectorField {
  readonly id: number;
  readonly type: VectorType;
}

export interface TableField {
  readonly id: number;
  /** `union` is a table whose schema the caller chooses. */
  readonly type: 'table' | 'tables' | 'union';
  readonly of?: TableSchema;
}

export type Field = ScalarField | VectorField | TableField;

/** A flatbuffers table: field name to its slot. */
export type TableSchema = Readonly<Record<string, Field>>;

/** Bytes of a scalar. */
export const scalarSize: Readonly<Record<ScalarType, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int32: 4,
  uint32: 4,
  uint64: 8,
  float32: 4,
};

/** A table as plain values; a field that is not in the file is absent, scalars carry their default. */
export type Row = { [field: string]: FieldValue };
export type FieldValue =
  | number
  | boolean
  | string
  | Uint8Array
  | readonly number[]
  | Row
  | readonly Row[]
  | { readonly schema: TableSchema; readonly row: Row }
  | undefined;
