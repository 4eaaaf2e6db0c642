import type {
  Metadata,
  ServerDuplexStream,
  ServerInterceptingCallInterface,
  ServerUnaryCall,
} from '@grpc/grpc-js';
import type { DataPlane } from '../dataplane.ts';
import type { Cancellation } from '../engine/runner.ts';
import type { Peer } from '../security/access.ts';

export type Unary = ServerUnaryCall<Buffer, unknown>;
export type Stream = ServerDuplexStream<Buffer, unknown>;

/** The other end of a call; nothing of it is worked out before it is asked for. */
export class CallPeer implements Peer {
  readonly #call: ServerInterceptingCallInterface;

  constructor(call: ServerInterceptingCallInterface) {
    this.#call = call;
  }

  /** Without its port, which every connection has another of. */
  get remoteAddress(): string {
    return this.#call.getPeer().replace(/:\d+$/, '');
  }

  getPeerCertificate(): ReturnType<NonNullable<Peer['getPeerCertificate']>> {
    return this.#call.getAuthContext().sslPeerCertificate ?? {};
  }
}

/** What the metrics and the log are told of a call. */
export interface Measured {
  readonly path: string;
  readonly metadata: Metadata;
  readonly startedMs: number;
  /** '' where it is not known who asks. */
  readonly callerId: string;
  readonly plane: DataPlane | undefined;
}

/** One message on its way to its answer. */
export class RunningCall implements Cancellation, Measured {
  readonly call: Unary | Stream;
  readonly startedMs = performance.now();
  readonly deadlineMs: number | undefined;
  callerId = '';
  plane: DataPlane | undefined;

  constructor(call: Unary | Stream) {
    this.call = call;
    const deadline = Number(call.getDeadline());
    this.deadlineMs = Number.isFinite(deadline) ? this.startedMs + deadline - Date.now() : undefined;
  }

  get path(): string {
    return this.call.getPath();
  }

  get metadata(): Metadata {
    return this.call.metadata;
  }

  /** Whether the client has gone. */
  get aborted(): boolean {
    return this.call.cancelled;
  }
}
