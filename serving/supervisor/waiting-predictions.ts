import type { PredictionRecord } from '../contract/index.ts';

/** Beyond either of these the oldest give way. */
const maxRecords = 20_000;
const maxBytes = 128 * 1024 * 1024;
const bytesOfNumber = 8;

/** About how much memory the numbers and texts of a record take. A tensor is of one kind: numbers are not looked at one by one. */
function bytesOf({ inputs = [], outputs }: PredictionRecord): number {
  let bytes = 0;
  for (const { data } of [...inputs, ...outputs]) {
    if (typeof data[0] === 'string') for (const text of data) bytes += String(text).length;
    else bytes += data.length * bytesOfNumber;
  }
  return bytes;
}

interface Entry {
  readonly record: PredictionRecord;
  readonly bytes: number;
}

const entryOf = (record: PredictionRecord): Entry => ({ record, bytes: bytesOf(record) });

/** Predictions that wait for the database, oldest first; no more than there is room for. */
export class WaitingPredictions {
  #entries: readonly Entry[] = [];

  add(records: readonly PredictionRecord[]): void {
    this.#keep([...this.#entries, ...records.map(entryOf)]);
  }

  /** All of them; they wait no longer. */
  take(): PredictionRecord[] {
    const records = this.#entries.map(({ record }) => record);
    this.#entries = [];
    return records;
  }

  /** Those that were taken and not written; they are older than all that wait. */
  putBack(records: readonly PredictionRecord[]): void {
    this.#keep([...records.map(entryOf), ...this.#entries]);
  }

  has(predictionId: string): boolean {
    return this.#entries.some(({ record }) => record.predictionId === predictionId);
  }

  #keep(entries: readonly Entry[]): void {
    let bytes = 0;
    let from = entries.length;
    while (from > 0 && entries.length - from < maxRecords) {
      bytes += (entries[from - 1] as Entry).bytes;
      if (bytes > maxBytes) break;
      from -= 1;
    }
    this.#entries = entries.slice(from);
  }
}
