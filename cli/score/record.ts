import type { DataType } from '../../conversion/manifest/index.ts';

/** Rows of an array as they lie in the file. */
export interface ArrayRows {
  readonly name: string;
  /** NumPy's letter and size, for example `f4`. */
  readonly code: string;
  readonly rowShape: readonly number[];
  readonly bytes: Uint8Array;
  /** The values are multiplied by it, in float32. */
  readonly scale: number;
}

/** Rows that lie together in the input, to be scored at once. */
export type Rows =
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  | { readonly kind: 'arrays'; readonly rows: number; readonly arrays: readonly ArrayRows[] };

export const countRows = (rows: Rows): number => (rows.kind === 'lines' ? rows.lines.length : rows.rows);

/** An input file that is read from front to back, never as a whole. */
export interface Source {
  /** Of CSV: names of the columns; undefined where it has no head. */
  readonly columns?: readonly string[] | undefined;
  readonly format: 'csv' | 'jsonl' | 'npz';
  readonly sizeBytes: number;
  /** @param skip rows that are done already */
  read(skip: number): AsyncGenerator<{ readonly rows: Rows; readonly bytesRead: number }>;
}

/** Rows that are scored at once; small enough for any model. */
export const rowsAtOnce = 256;
/** Fewer, where they are large: what is handed on at once is hardly longer than this. */
export const bytesAtOnce = 1024 * 1024;

/** What an input is, as far as reading it goes. */
export interface InputShape {
  readonly name: string;
  readonly dtype: DataType;
}

/** An input that cannot be read: what and where. */
export class BadInput extends Error {
  override readonly name = 'BadInput';
}
