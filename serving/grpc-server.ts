import type { Socket } from 'node:net';
import { create, type DescMessage, type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  type StatusObject,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { uuidv7 } from 'uuidv7';
import type { BodyLimits } from './body-limits.ts';
import { predictionIdHeader, type ServingSettings } from './contract/index.ts';
import type { DataPlane } from './dataplane.ts';
import { ServingError } from './errors.ts';
import { CallFlow } from './grpc/call-flow.ts';
import { CallPeer, type Measured, RunningCall, type Stream, type Unary } from './grpc/running-call.ts';
import type { Log } from './log.ts';
import type { RequestMeter } from './monitoring/request-meter.ts';
import { grpcProtocols } from './protocols/index.ts';
import type { GrpcAnswer, GrpcProtocol, GrpcService } from './protocols/protocol.ts';
import { requestIdOf } from './request-id.ts';
import type { Access, Peer } from './security/access.ts';
import type { Audit } from './security/audit.ts';
import { type Caller, holderOf } from './security/caller.ts';
import type { RateLimiter } from './security/rate-limiter.ts';
import { TlsGate } from './security/tls.ts';
import type { TraceHeaders } from './tracing/trace-headers.ts';

const protocols: readonly GrpcProtocol[] = Object.values(grpcProtocols);

/** A client that does not answer a ping in time is gone; without pings its connection would stay for ever. */
const keepaliveTimeMs = 60_000;
const keepaliveTimeoutMs = 20_000;
/** Calls of one connection beyond these wait at the client: each may send 64 KiB before it is looked at. */
const maxConcurrentStreams = 1000;
/** How often calls are looked for that stand still. */
const lookEveryMs = 5_000;

export interface GrpcServerContext {
  readonly dataPlane: DataPlane;
  readonly settings: ServingSettings;
  readonly meter: RequestMeter;
  readonly log: Log;
  readonly audit: Audit;
  readonly access: Access;
  readonly limiter: RateLimiter;
  /** What REST and gRPC share. */
  readonly limits: BodyLimits;
}

/** Where a call keeps who sends it and what it holds. In a WeakMap that would outlive the call: it refers to its own key. */
const sender = Symbol('sender');
interface Known extends Metadata {
  [sender]?: { readonly caller: Caller; readonly peer: Peer; readonly flow: CallFlow };
}
type Encode = (message: unknown) => Buffer;

const encoderOf =
  (schema: DescMessage): Encode =>
  (message) => {
    const bytes = toBinary(schema, create(schema, message as never));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };

/** Malformed bytes are the client's fault, which grpc-js would call an internal error. */
function decode(schema: DescMessage, bytes: Buffer): never {
  try {
    return fromBinary(schema, bytes) as never;
  } catch (error) {
    throw new ServingError(
      'SERVING_BAD_REQUEST',
      `The message is no ${schema.typeName}: ${(error as Error).message}`,
    );
  }
}

/** The gRPC server of one worker; like RestServer it never listens, it is handed connections. */
export class GrpcServer {
  readonly #context: GrpcServerContext;
  readonly #server: Server;
  readonly #injector: ReturnType<Server['createConnectionInjector']>;
  readonly #sockets = new Set<Socket>();
  readonly #flows = new Set<CallFlow>();
  readonly #look: NodeJS.Timeout;
  #gate: TlsGate | undefined;

  private constructor(context: GrpcServerContext) {
    this.#context = context;
    this.#server = new Server({
      'grpc.max_concurrent_streams': maxConcurrentStreams,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': keepaliveTimeMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      interceptors: [this.#introduced],
    });
    for (const { services } of protocols) for (const service of services) this.#add(service);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#look = setInterval(() => {
      for (const flow of this.#flows) flow.look(performance.now());
    }, lookEveryMs).unref();
  }

  /** @throws ServingError SERVING_BAD_SETTINGS where TLS is asked for and its files cannot be used */
  static async open(context: GrpcServerContext): Promise<GrpcServer> {
    const server = new GrpcServer(context);
    const { settings, audit, log } = context;
    if (settings.tls !== undefined) {
      const onSocket = (socket: Socket) => server.#injector.injectConnection(socket);
      server.#gate = await TlsGate.open(settings.tls, 'grpc', onSocket, audit, log);
    }
    return server;
  }

  #add(service: GrpcService): void {
    const definition: Record<string, unknown> = {};
    const handlers: Record<string, unknown> = {};
    for (const method of service.service.methods) {
      const isStream = method.methodKind === 'bidi_streaming';
      definition[method.localName] = {
        path: `/${service.service.typeName}/${method.name}`,
        requestStream: isStream,
        responseStream: isStream,
        requestSerialize: (message: Buffer) => message,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      const encode = encoderOf(method.output);
      handlers[method.localName] = isStream
        ? (call: Stream) => this.#stream(service, method, encode, call)
        : (call: Unary, respond: sendUnaryData<unknown>) =>
            void this.#unary(service, method, encode, call, respond);
    }
    this.#server.addService(definition as ServiceDefinition, handlers as UntypedServiceImplementation);
  }

  /** Nothing of a call is read before it is known who sends it: whoever is not let in fills no memory. */
  readonly #introduced: ServerInterceptor = ({ path, requestStream }, call) => {
    const startedMs = performance.now();
    let known: Known | undefined;
    const refuse = (error: unknown, metadata: Known) => {
      const refusal = this.#refusalOf(error);
      call.sendStatus(statusOf(refusal));
      const callerId = metadata[sender]?.caller.id ?? '';
      this.#measure({ path, metadata, startedMs, callerId, plane: undefined }, refusal);
    };
    const flow = new CallFlow(
      call,
      requestStream,
      this.#context.limits,
      (error) => refuse(error, known as Known),
      () => this.#flows.delete(flow),
    );
    this.#flows.add(flow);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: async (metadata: Known, proceed) => {
            known = metadata;
            try {
              const peer = new CallPeer(call);
              const found = this.#callerOf(metadata, call.getHost(), peer);
              const caller = found instanceof Promise ? await found : found;
              flow.claim(holderOf(caller, peer));
              metadata[sender] = { caller, peer, flow };
            } catch (error) {
              refuse(error, metadata);
              return;
            }
            proceed(metadata);
          },
          onReceiveMessage: (message, admit) => flow.take(message, admit),
          onReceiveHalfClose: (proceed) => {
            flow.ended();
            proceed();
          },
        }),
    });
  };

  #callerOf(metadata: Metadata, host: string, peer: Peer): Caller | Promise<Caller> {
    const authorization = metadata.get('authorization')[0]?.toString();
    return this.#context.access.callerOf({ authorization, host }, peer);
  }

  /** @param onGone when the connection is closed */
  accept(socket: Socket, onGone: () => void): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      onGone();
    });
    if (this.#gate === undefined) this.#injector.injectConnection(socket);
    else this.#gate.accept(socket);
    // The supervisor paused it, so that not a byte was lost on the way.
    socket.resume();
  }

  async #unary(
    service: GrpcService,
    method: DescMethod,
    encode: Encode,
    call: Unary,
    respond: sendUnaryData<unknown>,
  ): Promise<void> {
    const running = new RunningCall(call);
    try {
      const answer = await this.#answer(service, method, call.request, running);
      const bytes = encode(answer.message);
      this.#flowOf(running).answer(bytes.length);
      if (answer.predictionId !== undefined) {
        const metadata = new Metadata();
        metadata.set(predictionIdHeader, answer.predictionId);
        call.sendMetadata(metadata);
      }
      respond(null, bytes);
      this.#measure(running, answer);
    } catch (error) {
      const refusal = this.#refusalOf(error);
      respond(statusOf(refusal));
      this.#measure(running, refusal);
    }
  }

  /** Each message is answered by itself and in its order; one that fails does not end the stream. */
  #stream(service: GrpcService, method: DescMethod, encode: Encode, call: Stream): void {
    let last: Promise<void> = Promise.resolve();
    call.on('data', (message: Buffer) => {
      const running = new RunningCall(call);
      const flow = this.#flowOf(running);
      const answer = this.#answer(service, method, message, running);
      answer.catch(() => {});
      last = last.then(async () => {
        try {
          const answered = await answer;
          const bytes = encode(answered.message);
          flow.answer(bytes.length);
          call.write(bytes, () => flow.answered(message, bytes.length));
          this.#measure(running, answered);
        } catch (error) {
          const refusal = this.#refusalOf(error);
          const bytes = encode(service.streamErrors?.[method.localName]?.(describe(refusal)));
          flow.answer(0);
          call.write(bytes, () => flow.answered(message, 0));
          this.#measure(running, refusal);
        }
      });
    });
    call.on('end', () => void last.then(() => call.end()));
  }

  #flowOf({ metadata }: Measured): CallFlow {
    return (metadata as Known)[sender]?.flow as CallFlow;
  }

  async #answer(
    service: GrpcService,
    method: DescMethod,
    bytes: Buffer,
    running: RunningCall,
  ): Promise<GrpcAnswer> {
    const { dataPlane, limiter } = this.#context;
    const { call, metadata } = running;
    const { caller: first, peer } = (metadata as Known)[sender] as NonNullable<Known[typeof sender]>;
    // A stream may last longer than the key or the token that it began with.
    const isStream = method.methodKind === 'bidi_streaming';
    const caller = isStream ? await this.#callerOf(metadata, call.getHost(), peer) : first;
    await limiter.take(caller);
    running.callerId = caller.id;
    running.plane = dataPlane.for(caller);
    const answer = service.methods[method.localName];
    if (!answer) throw new ServingError('SERVING_UNIMPLEMENTED', `${method.name} is not offered`);
    return answer(decode(method.input, bytes), {
      dataPlane: running.plane,
      signal: running,
      deadlineMs: running.deadlineMs,
    });
  }

  #refusalOf(error: unknown): ServingError {
    if (error instanceof ServingError) return error;
    this.#context.log.error({ err: error }, 'a bug: please report it');
    return new ServingError('SERVING_INFERENCE_FAILED', 'Internal error');
  }

  #measure(
    { path, metadata, plane, startedMs, callerId }: Measured,
    outcome: GrpcAnswer | ServingError,
  ): void {
    const refusal = outcome instanceof ServingError ? outcome : undefined;
    const answer = outcome instanceof ServingError ? undefined : outcome;
    this.#context.meter.record({
      protocol: 'grpc',
      verb: answer?.verb ?? 'error',
      model: answer?.model ?? plane?.found?.model ?? '',
      version: answer?.version ?? plane?.found?.version ?? '',
      status: refusal?.http ?? 200,
      path,
      startedMs,
      bodyEndedMs: startedMs,
      plane,
      callerId,
      requestId:
        requestIdOf(metadata.get('x-request-id')[0]) ??
        (this.#context.settings.accessLog ? uuidv7() : undefined),
      refusal,
      trace: traceHeaders(metadata),
    });
  }

  /** Asks every client to go elsewhere (GOAWAY) and resolves when their connections are gone; streams in flight are finished. */
  async drain(): Promise<void> {
    this.#gate?.close();
    this.#injector.drain(this.#context.settings.drainTimeoutMs);
    while (this.#sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    clearInterval(this.#look);
    this.#server.forceShutdown();
  }
}

const traceHeaders = (metadata: Metadata): TraceHeaders => {
  const [traceparent, tracestate] = ['traceparent', 'tracestate'].map((name) =>
    metadata.get(name)[0]?.toString(),
  );
  return { traceparent, tracestate };
};

/** A status goes into an HTTP/2 header, where there is no room for an example of a request. */
const describe = ({ code, message }: ServingError): string => new ServingError(code, message).describe();

function statusOf(refusal: ServingError): StatusObject {
  const metadata = new Metadata();
  if (refusal.http === 429 || refusal.http === 503)
    metadata.set('retry-after', String(refusal.retryAfterSeconds));
  return { code: refusal.grpc, details: describe(refusal), metadata };
}
