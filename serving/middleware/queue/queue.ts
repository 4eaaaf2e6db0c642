/** Where a job is. `waiting`: also after a try that broke off. */
export type JobState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Job {
  readonly id: string;
  readonly state: JobState;
  readonly data: object;
  /** What the work gave; undefined unless `done`. */
  readonly result: object | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** Undefined unless it is over. */
  readonly endedAtMs: number | undefined;
}

export interface QueueLimits {
  /** A try that takes longer is given up, and tried again. */
  readonly trySeconds: number;
  /** Jobs are forgotten so long after their end, or when they were not begun for so long. */
  readonly keepSeconds: number;
}

/** Work that is done later, in its order, also after a restart. One queue. */
export interface Queue {
  /** Resolves when it is committed. */
  add(id: string, data: object): Promise<void>;
  /** Jobs that are waiting. */
  waiting(): Promise<number>;
  find(id: string): Promise<Job | undefined>;
  /** One that runs is not broken off, but its result is dropped. */
  cancel(id: string): Promise<void>;
  /** Does the jobs, so many at a time; a job whose work throws is tried twice more. */
  work(concurrency: number, work: (data: object) => Promise<object>): Promise<void>;
  /** Takes no new jobs and waits for those that run, at most `timeoutMs`; what is not done by then is done later. */
  close(timeoutMs: number): Promise<void>;
}
