import type { DataPlane } from '../dataplane.ts';
import type { ServingError } from '../errors.ts';
import type { TraceHeaders } from '../tracing/trace-headers.ts';

/** A request that was answered. */
export interface FinishedRequest {
  readonly protocol: 'rest' | 'grpc';
  /** Bounded word: predict, classify, infer, ... or `error`. */
  readonly verb: string;
  readonly model: string;
  readonly version: number | '';
  /** HTTP status, for gRPC the one that its code maps to. */
  readonly status: number;
  /** Path without query, or the gRPC method. */
  readonly path: string;
  readonly startedMs: number;
  /** When the body was there; 0 where it was never read. */
  readonly bodyEndedMs: number;
  /** Undefined where it was refused before. */
  readonly plane: DataPlane | undefined;
  readonly callerId: string;
  readonly requestId: string | undefined;
  readonly refusal: ServingError | undefined;
  /** Of the trace that the caller's request belongs to. */
  readonly trace: TraceHeaders;
}
