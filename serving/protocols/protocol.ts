import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { DataPlane } from '../dataplane.ts';
import type { Cancellation } from '../engine/runner.ts';

/** A request whose head has been read; the body comes when it is asked for, unpacked and within maxBodyBytes. */
export interface RestRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly signal: Cancellation;
  /** @throws ServingError SERVING_BODY_TOO_LARGE, SERVING_OVERLOADED, SERVING_BAD_REQUEST (not gzip) */
  body(): Promise<Buffer>;
}

export interface RestResponse {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body: string | Uint8Array | undefined;
  /** For the metrics and the access log. */
  readonly model?: string;
  readonly version?: number;
  /** Bounded word for the metrics: predict, classify, infer, metadata, status, ... */
  readonly verb: string;
}

/** A protocol over HTTP: a folder here and a row in index.ts. */
export interface RestProtocol {
  /** @returns undefined where the path is not this protocol's. @throws ServingError */
  handle(request: RestRequest, dataPlane: DataPlane): Promise<RestResponse> | RestResponse | undefined;
  /** An error in this protocol's shape. */
  error(message: string, code: string): string;
}

/** What a gRPC method is told beside its request. */
export interface GrpcCall {
  readonly dataPlane: DataPlane;
  readonly signal: Cancellation;
  /** On `performance.now()`'s clock; undefined where the client set none. */
  readonly deadlineMs: number | undefined;
}

export interface GrpcAnswer<Message = unknown> {
  readonly message: Message;
  readonly predictionId?: string;
  /** For the metrics, as in RestResponse. */
  readonly model?: string;
  readonly version?: number;
  readonly verb: string;
}

/** What a method takes and gives, as its description in the .proto says. */
type GrpcMethod<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, call: GrpcCall) => Promise<GrpcAnswer<MessageInitShape<M['output']>>>
  : never;

/** A service with a function for each of its unary methods; a method that streams both ways answers each message by itself. */
export interface GrpcService {
  readonly service: DescService;
  /** By the method's local name. @throws ServingError */
  readonly methods: Readonly<Record<string, (request: never, call: GrpcCall) => Promise<GrpcAnswer>>>;
  /** By the method's local name: what a stream is told of a message that failed. */
  readonly streamErrors?: Readonly<Record<string, (message: string) => unknown>>;
}

type UnaryMethods<S extends DescService> = {
  readonly [M in keyof S['method'] as S['method'][M]['methodKind'] extends 'unary' ? M : never]: GrpcMethod<
    S['method'][M]
  >;
};

/** Holds a service's functions to its description. */
export function grpcService<S extends DescService>(
  service: S,
  methods: UnaryMethods<S>,
  streams: Pick<GrpcService, 'methods' | 'streamErrors'> = { methods: {} },
): GrpcService {
  const unary = methods as unknown as GrpcService['methods'];
  return { service, ...streams, methods: { ...unary, ...streams.methods } };
}

/** A protocol over gRPC: a folder here and a row in index.ts. */
export interface GrpcProtocol {
  readonly services: readonly GrpcService[];
}
