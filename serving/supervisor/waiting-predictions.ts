import type { WrittenPrediction } from '../feedback/written-prediction.ts';

/** Beyond either of these the oldest give way. */
const maxRecords = 20_000;
const maxCharacters = 128 * 1024 * 1024;

/** Predictions that wait for the database, oldest first; no more than there is room for. */
export class WaitingPredictions {
  #records: readonly WrittenPrediction[] = [];
  #characters = 0;

  add(records: readonly WrittenPrediction[]): void {
    this.#keep([...this.#records, ...records]);
  }

  /** All of them; they wait no longer. */
  take(): readonly WrittenPrediction[] {
    const records = this.#records;
    this.#keep([]);
    return records;
  }

  /** Those that were taken and not written; they are older than all that wait. */
  putBack(records: readonly WrittenPrediction[]): void {
    this.#keep([...records, ...this.#records]);
  }

  /** The share of the room that is taken, 0 to 1. */
  get fullness(): number {
    return Math.max(this.#records.length / maxRecords, this.#characters / maxCharacters);
  }

  has(predictionId: string): boolean {
    return this.#records.some((record) => record.predictionId === predictionId);
  }

  #keep(records: readonly WrittenPrediction[]): void {
    this.#characters = 0;
    let from = records.length;
    while (from > 0 && records.length - from < maxRecords) {
      const { length } = (records[from - 1] as WrittenPrediction).json;
      if (this.#characters + length > maxCharacters) break;
      this.#characters += length;
      from -= 1;
    }
    this.#records = records.slice(from);
  }
}
