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
  #bytes = 0;

  add(records: readonly PredictionRecord[]): void {
    this.#keep([...this.#entries, ...records.map(entryOf)]);
  }

  /** All of them; they wait no longer. */
  take(): PredictionRecord[] {
    const records = this.#entries.map(({ record }) => record);
    this.#keep([]);
    return records;
  }

  /** Those that were taken and not written; they are older than all that wait. */
  putBack(records: readonly PredictionRecord[]): void {
    this.#keep([...records.map(entryOf), ...this.#entries]);
  }

  /** The share of the room that is taken, 0 to 1. */
  get fullness(): number {
    return Math.max(this.#entries.length / maxRecords, this.#bytes / maxBytes);
  }

  has(predictionId: string): boolean {
    return this.#entries.some(({ record }) => record.predictionId === predictionId);
  }

  #keep(entries: readonly Entry[]): void {
    this.#bytes = 0;
    let from = entries.length;
    while (from > 0 && entries.length - from < maxRecords) {
      const { bytes } = entries[from - 1] as Entry;
      if (this.#bytes + bytes > maxBytes) break;
      this.#bytes += bytes;
      from -= 1;
    }
    this.#entries = entries.slice(from);
  }
}
