import { asyncRest } from './async-rest/index.ts';
import { openInferenceGrpc } from './open-inference-grpc/index.ts';
import { openInferenceRest } from './open-inference-rest/index.ts';
import { openApi } from './openapi/index.ts';
import type { GrpcProtocol, RestProtocol } from './protocol.ts';
import { tensorflowGrpc } from './tensorflow-grpc/index.ts';
import { tensorflowRest } from './tensorflow-rest/index.ts';

/** Every protocol over HTTP, in the order in which they are asked whether a path is theirs. */
export const restProtocols = {
  'tensorflow-rest': tensorflowRest,
  'open-inference-rest': openInferenceRest,
  openapi: openApi,
  'async-rest': asyncRest,
} as const satisfies Record<string, RestProtocol>;

/** Every protocol over gRPC; their services share one port. */
export const grpcProtocols = {
  'tensorflow-grpc': tensorflowGrpc,
  'open-inference-grpc': openInferenceGrpc,
} as const satisfies Record<string, GrpcProtocol>;
