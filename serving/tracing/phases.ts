/** When the engine did what for one request, on `performance.now()`'s clock; filled in where somebody asks for it. */
export interface Phases {
  enqueuedMs: number;
  /** Taken from the queue, together with others. */
  takenMs: number;
  inferStartedMs: number;
  inferEndedMs: number;
  /** Rows that ran together. */
  batchRows: number;
}

export const noPhases = (): Phases => ({
  enqueuedMs: 0,
  takenMs: 0,
  inferStartedMs: 0,
  inferEndedMs: 0,
  batchRows: 0,
});
