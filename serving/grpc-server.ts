import type { Socket } from 'node:net';
import { create, type DescMessage, type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServiceDefinition,
  type StatusObject,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { uuidv7 } from 'uuidv7';
import { predictionIdHeader, type ServingSettings } from './contract/index.ts';
import type { DataPlane } from './dataplane.ts';
import type { Cancellation } from './engine/runner.ts';
import { ServingError } from './errors.ts';
import type { Log } from './log.ts';
import type { RequestMeter } from './monitoring/request-meter.ts';
import { grpcProtocols } from './protocols/index.ts';
import type { GrpcAnswer, GrpcProtocol, GrpcService } from './protocols/protocol.ts';
import { requestIdOf } from './request-id.ts';
import type { Access } from './security/access.ts';
import type { Audit } from './security/audit.ts';
import type { Caller } from './security/caller.ts';
import type { RateLimiter } from './security/rate-limiter.ts';
import { TlsGate } from './security/tls.ts';
import type { TraceHeaders } from './tracing/trace-headers.ts';

const protocols: readonly GrpcProtocol[] = Object.values(grpcProtocols);

/** A client that does not answer a ping in time is gone; without pings its connection would stay for ever. */
const keepaliveTimeMs = 60_000;
const keepaliveTimeoutMs = 20_000;

export interface GrpcServerContext {
  readonly dataPlane: DataPlane;
  readonly settings: ServingSettings;
  readonly meter: RequestMeter;
  readonly log: Log;
  readonly audit: Audit;
  readonly access: Access;
  readonly limiter: RateLimiter;
}

type Unary = ServerUnaryCall<Buffer, unknown>;
type Stream = ServerDuplexStream<Buffer, unknown>;

const encode = (schema: DescMessage) => (message: unknown) => {
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
  /** Who sends a call, by its metadata. */
  readonly #callers = new WeakMap<Metadata, Caller>();
  #gate: TlsGate | undefined;

  private constructor(context: GrpcServerContext) {
    this.#context = context;
    this.#server = new Server({
      'grpc.max_receive_message_length': context.settings.maxBodyBytes,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': keepaliveTimeMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      interceptors: [this.#introduced],
    });
    for (const { services } of protocols) for (const service of services) this.#add(service);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
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
        responseSerialize: encode(method.output),
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      handlers[method.localName] = isStream
        ? (call: Stream) => this.#stream(service, method, call)
        : (call: Unary, respond: sendUnaryData<unknown>) => void this.#unary(service, method, call, respond);
    }
    this.#server.addService(definition as ServiceDefinition, handlers as UntypedServiceImplementation);
  }

  /** Nothing of a call is read before it is known who sends it: whoever is not let in fills no memory. */
  readonly #introduced: ServerInterceptor = ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: async (metadata, proceed) => {
            if (await this.#letIn(path, metadata, call)) proceed(metadata);
          },
        }),
    });

  async #letIn(path: string, metadata: Metadata, call: ServerInterceptingCallInterface): Promise<boolean> {
    const startedMs = performance.now();
    const credentials = {
      authorization: metadata.get('authorization')[0]?.toString(),
      host: call.getHost(),
    };
    const peer = {
      remoteAddress: call.getPeer(),
      getPeerCertificate: () => call.getAuthContext().sslPeerCertificate ?? {},
    };
    try {
      this.#callers.set(metadata, await this.#context.access.callerOf(credentials, peer));
      return true;
    } catch (error) {
      const refusal = this.#refusalOf(error);
      call.sendStatus(statusOf(refusal));
      this.#measure({ path, metadata, startedMs, callerId: '', plane: undefined }, refusal);
      return false;
    }
  }

  accept(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.#gate === undefined) this.#injector.injectConnection(socket);
    else this.#gate.accept(socket);
    // The supervisor paused it, so that not a byte was lost on the way.
    socket.resume();
  }

  async #unary(
    service: GrpcService,
    method: DescMethod,
    call: Unary,
    respond: sendUnaryData<unknown>,
  ): Promise<void> {
    const running = new RunningCall(call);
    try {
      const answer = await this.#answer(service, method, call.request, running);
      if (answer.predictionId !== undefined) {
        const metadata = new Metadata();
        metadata.set(predictionIdHeader, answer.predictionId);
        call.sendMetadata(metadata);
      }
      respond(null, answer.message);
      this.#measure(running, answer);
    } catch (error) {
      const refusal = this.#refusalOf(error);
      respond(statusOf(refusal));
      this.#measure(running, refusal);
    }
  }

  /** Each message is answered by itself and in its order; one that fails does not end the stream. */
  #stream(service: GrpcService, method: DescMethod, call: Stream): void {
    let last: Promise<void> = Promise.resolve();
    call.on('data', (bytes: Buffer) => {
      const running = new RunningCall(call);
      const answer = this.#answer(service, method, bytes, running);
      answer.catch(() => {});
      last = last.then(async () => {
        try {
          const answered = await answer;
          call.write(answered.message);
          this.#measure(running, answered);
        } catch (error) {
          const refusal = this.#refusalOf(error);
          call.write(service.streamErrors?.[method.localName]?.(describe(refusal)));
          this.#measure(running, refusal);
        }
      });
    });
    call.on('end', () => void last.then(() => call.end()));
  }

  async #answer(
    service: GrpcService,
    method: DescMethod,
    bytes: Buffer,
    running: RunningCall,
  ): Promise<GrpcAnswer> {
    const { dataPlane, limiter } = this.#context;
    const caller = this.#callers.get(running.metadata) as Caller;
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
    this.#server.forceShutdown();
  }
}

const traceHeaders = (metadata: Metadata): TraceHeaders => {
  const [traceparent, tracestate] = ['traceparent', 'tracestate'].map((name) =>
    metadata.get(name)[0]?.toString(),
  );
  return { traceparent, tracestate };
};

/** What the metrics and the log are told of a call. */
interface Measured {
  readonly path: string;
  readonly metadata: Metadata;
  readonly startedMs: number;
  /** '' where it is not known who asks. */
  readonly callerId: string;
  readonly plane: DataPlane | undefined;
}

/** One message on its way to its answer. */
class RunningCall implements Cancellation, Measured {
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

/** A status goes into an HTTP/2 header, where there is no room for an example of a request. */
const describe = ({ code, message }: ServingError): string => new ServingError(code, message).describe();

function statusOf(refusal: ServingError): StatusObject {
  const metadata = new Metadata();
  if (refusal.http === 429 || refusal.http === 503) metadata.set('retry-after', '1');
  return { code: refusal.grpc, details: describe(refusal), metadata };
}
