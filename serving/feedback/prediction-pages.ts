import type { PredictionRecord } from '../contract/index.ts';
import type { WrittenPrediction } from './written-prediction.ts';

/** Predictions of one page. */
const maxRecords = 200;
/** Characters of a page that has more than one prediction: all of it is read for feedback to one of them, and a larger one hardly is cheaper to write. */
const maxCharacters = 256 * 1024;
/** Between the oldest and the newest of a page: a prediction of a known time is looked for in few pages. */
const maxSpanMs = 10_000;
const lastMs = 2 ** 48 - 1;

/** Predictions that were made about the same time, written together: a row for each costs a database several times as much. */
export interface PredictionPage {
  /** The ids of its oldest and its newest; UUIDv7 begin with their time, so their order is that of time. */
  readonly firstId: string;
  readonly lastId: string;
  /** A JSON array of PredictionRecord. */
  readonly records: string;
  readonly predictions: readonly WrittenPrediction[];
}

/** When a UUIDv7 was made, in Unix time (RFC 9562, 5.7). */
const msOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/** An id that is before all that are made from then on. */
export function firstIdAt(ms: number): string {
  const digits = Math.min(Math.max(ms, 0), lastMs).toString(16).padStart(12, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8)}-0000-0000-000000000000`;
}

/** An id that is after the last of any page that has this one. */
export const pagesEndBefore = (id: string): string => firstIdAt(msOf(id) + maxSpanMs + 1);

/** All predictions, in pages. */
export function* pagesOf(predictions: readonly WrittenPrediction[]): Generator<PredictionPage> {
  const inOrder = [...predictions].sort((a, b) => (a.predictionId < b.predictionId ? -1 : 1));
  let page: WrittenPrediction[] = [];
  let characters = 0;
  const written = (): PredictionPage => ({
    firstId: (page[0] as WrittenPrediction).predictionId,
    lastId: (page.at(-1) as WrittenPrediction).predictionId,
    records: `[${page.map(({ json }) => json).join(',')}]`,
    predictions: page,
  });
  for (const prediction of inOrder) {
    const { predictionId, json } = prediction;
    const isFull =
      page.length === maxRecords ||
      (page[0] !== undefined &&
        (characters + json.length > maxCharacters ||
          msOf(predictionId) - msOf(page[0].predictionId) > maxSpanMs));
    if (isFull) {
      yield written();
      page = [];
      characters = 0;
    }
    page.push(prediction);
    characters += json.length;
  }
  if (page.length > 0) yield written();
}

/** A prediction of a page. */
export function foundIn(records: string, predictionId: string): PredictionRecord | undefined {
  const id = predictionId.toLowerCase();
  return (JSON.parse(records) as PredictionRecord[]).find((record) => record.predictionId === id);
}
