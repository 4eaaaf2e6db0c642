import type { StoredRequest } from './stored.ts';

/** A request whose answer is fetched later. */
export interface LaterRequest {
  readonly request: StoredRequest;
  readonly model: string;
  /** Who asked; nobody else gets the answer. */
  readonly callerId: string;
}

export interface LaterState {
  readonly id: string;
  readonly model: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled' | 'expired';
  /** Milliseconds since the epoch. */
  readonly submittedAtMs: number;
}

/** An answer as it would have been given at once. */
export interface LaterAnswer {
  readonly model: string;
  readonly status: number;
  /** Names and values in turn. */
  readonly head: readonly string[];
  readonly body: Uint8Array;
}

/** What is asked of the queue of requests. */
export type LaterCall = 'state' | 'result' | 'cancel';
