import {
  type CategoryFeature,
  type Feature,
  type FeaturesInput,
  type NumberFeature,
  widthOf,
} from '../../conversion/manifest/index.ts';
import { ProcessingFault } from './fault.ts';
import { Numbers, normaliser } from './normalise.ts';

/** One value of a column as it came: a number, a text, or nothing. */
export type Cell = number | bigint | string | boolean | null | undefined;

const isMissing = (cell: Cell): cell is null | undefined | '' =>
  cell === undefined || cell === null || cell === '' || (typeof cell === 'number' && Number.isNaN(cell));

/** Not what JavaScript takes besides: blanks for 0, and other bases. */
const decimal = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i;

const numberOf = (cell: Cell): number =>
  typeof cell === 'string' && !decimal.test(cell) ? Number.NaN : Number(cell);

type Encode = (cell: Cell, row: number, out: Numbers, at: number) => void;

const bad = (row: number, feature: string, why: string) =>
  new ProcessingFault(`row ${row}: feature '${feature}' ${why}`);

function numberEncoder(feature: NumberFeature): Encode {
  const normalise = normaliser(feature);
  return (cell, row, out, at) => {
    const given = isMissing(cell) ? feature.default : numberOf(cell);
    if (given === undefined) throw bad(row, feature.name, 'is missing, and has no default');
    if (!Number.isFinite(given)) throw bad(row, feature.name, 'must be a number');
    const value = normalise(given);
    if (!out.holds(value)) throw bad(row, feature.name, `is beyond what ${out.dtype} holds`);
    out.set(at, value);
  };
}

function categoryEncoder(feature: CategoryFeature): Encode {
  const first = feature.unknown === 'other' ? 1 : 0;
  const places = new Map(feature.vocabulary.map((word, index) => [word, index + first]));
  const byDefault = feature.default === undefined ? undefined : places.get(feature.default);
  const unknown = { other: 0, zeros: -1, default: byDefault, refuse: undefined }[feature.unknown];
  return (cell, row, out, at) => {
    const isAbsent = isMissing(cell);
    const place = isAbsent ? byDefault : (places.get(String(cell)) ?? unknown);
    if (place === undefined) {
      const words = feature.vocabulary.slice(0, 20).join(', ');
      const more = feature.vocabulary.length > 20 ? ', …' : '';
      throw bad(
        row,
        feature.name,
        isAbsent ? 'is missing, and has no default' : `must be one of ${words}${more}`,
      );
    }
    if (feature.encoding === 'index') out.set(at, place);
    else if (place >= 0) out.set(at + place, 1);
  };
}

const encoderOf = (feature: Feature): Encode =>
  feature.kind === 'number' ? numberEncoder(feature) : categoryEncoder(feature);

/** Turns named columns into the rows of one model input. */
export class FeatureEncoder {
  readonly names: readonly string[];
  /** Numbers in a row. */
  readonly width: number;
  readonly #columns: readonly { readonly name: string; readonly at: number; readonly encode: Encode }[];
  readonly #dtype: string;

  constructor({ features }: FeaturesInput, dtype: string) {
    let at = 0;
    this.#columns = features.map((feature) => {
      const column = { name: feature.name, at, encode: encoderOf(feature) };
      at += widthOf(feature);
      return column;
    });
    this.names = features.map(({ name }) => name);
    this.width = at;
    this.#dtype = dtype;
  }

  /**
   * @param cell what a column holds in a row
   * @throws ProcessingFault naming the row and the feature
   */
  encode(rows: number, cell: (name: string, row: number) => Cell): Numbers['data'] {
    const out = new Numbers(this.#dtype, rows * this.width);
    for (let row = 0; row < rows; row++) {
      for (const { name, at, encode } of this.#columns) {
        encode(cell(name, row), row, out, row * this.width + at);
      }
    }
    return out.data;
  }
}
