import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { uuidv7 } from 'uuidv7';
import { type BodyLimits, smallBytes } from './body-limits.ts';
import { answerConsole, type ConsoleHistory, isConsolePath } from './console-routes.ts';
import { predictionIdHeader, type ServingSettings } from './contract/index.ts';
import type { DataPlane } from './dataplane.ts';
import { ServingError } from './errors.ts';
import { LeanSocket } from './http/lean-socket.ts';
import type { PlainConnection } from './http/plain-connection.ts';
import type { PlainHead } from './http/plain-head.ts';
import { PlainLane } from './http/plain-lane.ts';
import { PlainRequest } from './http/plain-request.ts';
import type { Log } from './log.ts';
import type { RequestMeter } from './monitoring/request-meter.ts';
import { restProtocols } from './protocols/index.ts';
import type { RestProtocol, RestRequest, RestResponse } from './protocols/protocol.ts';
import { requestIdOf } from './request-id.ts';
import { IncomingRequest } from './rest-request.ts';
import type { Access, Peer } from './security/access.ts';
import type { Audit } from './security/audit.ts';
import type { Caller } from './security/caller.ts';
import type { RateLimiter } from './security/rate-limiter.ts';
import { TlsGate } from './security/tls.ts';
import type { StoredRequest, StoredResponse } from './stored.ts';
import { peerOf, ReplayedRequest, storedRequest } from './stored-request.ts';
import type { TraceHeaders } from './tracing/trace-headers.ts';
import { WireFault } from './wire/faults.ts';

const protocols: readonly RestProtocol[] = Object.values(restProtocols);

/** How long an idle connection is kept: longer than the usual load balancer's 60 s, so that it closes first. */
const keepAliveTimeoutMs = 75_000;
/** A client that sends its head, or its head and body, slower than this is let go; one that reads nothing of its answer, too. */
const headersTimeoutMs = 15_000;
const requestTimeoutMs = 120_000;
const lookEveryMs = 10;
/** Larger bodies take their time anyway, and node:http reads them. */
const maxPlainBodyBytes = 256 * 1024;

/** What node:http's parser refuses. */
const malformed: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

export interface RestServerContext {
  readonly dataPlane: DataPlane;
  readonly settings: ServingSettings;
  readonly meter: RequestMeter;
  readonly log: Log;
  readonly audit: Audit;
  readonly access: Access;
  readonly limiter: RateLimiter;
  /** What REST and gRPC share. */
  readonly limits: BodyLimits;
  readonly history: ConsoleHistory;
  /** Lets the workers that replaced this one answer. @throws ServingError where there are none */
  readonly forward: (request: StoredRequest) => Promise<StoredResponse>;
}

/** A request that knows when its body was there. */
type TimedRequest = RestRequest & {
  readonly bodyEndedMs: number;
  /** What it holds is this caller's. @throws ServingError SERVING_OVERLOADED */
  claim(caller: Caller, peer: Peer): void;
  /** So large an answer is this caller's until it is with the client. @throws ServingError SERVING_OVERLOADED */
  holdAnswer(bytes: number, caller: Caller, peer: Peer): void;
};

/** Sends an answer: status, names and values of headers in turn, body. */
type Send = (status: number, head: string[], body: string | Uint8Array) => void;

function route(
  request: RestRequest,
  dataPlane: DataPlane,
  context: RestServerContext,
): Promise<RestResponse> | RestResponse {
  for (const protocol of protocols) {
    const answer = protocol.handle(request, dataPlane);
    if (answer !== undefined) return answer;
  }
  if (context.settings.console && isConsolePath(request.path)) {
    return answerConsole(request, dataPlane, context.history);
  }
  throw new ServingError('SERVING_NO_ROUTE', `Malformed request: ${request.method} ${request.path}`);
}

/**
 * The HTTP server of one worker. It never listens: the supervisor hands it connections, so that a crash of the worker does not
 * close the port.
 */
export class RestServer {
  readonly #context: RestServerContext;
  readonly #server: Server;
  readonly #lane: PlainLane;
  readonly #sockets = new Set<Socket>();
  #gate: TlsGate | undefined;
  #draining = false;
  /** On `performance.now()`'s clock: from then on idle connections are let go. */
  #idleUntilMs = Number.POSITIVE_INFINITY;

  private constructor(context: RestServerContext) {
    this.#context = context;
    this.#server = createServer(
      {
        keepAliveTimeout: keepAliveTimeoutMs,
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
      },
      (incoming, outgoing) => void this.#handle(incoming, outgoing),
    );
    this.#lane = new PlainLane({
      maxBodyBytes: Math.min(maxPlainBodyBytes, context.settings.maxBodyBytes),
      keepAliveTimeoutMs,
      arrivalTimeoutMs: headersTimeoutMs,
      departureTimeoutMs: requestTimeoutMs,
      limits: context.limits,
      onRequest: (head, body, connection) => void this.#handlePlain(head, body, connection),
      onOther: (socket) => this.#server.emit('connection', socket),
    });
    // Node's time limits for slow clients start with `listen`, which this server never does.
    this.#server.emit('listening');
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const status = malformed[error.code ?? ''] ?? '400 Bad Request';
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
  }

  /** @throws ServingError SERVING_BAD_SETTINGS where TLS is asked for and its files cannot be used */
  static async open(context: RestServerContext): Promise<RestServer> {
    const server = new RestServer(context);
    const { settings, audit, log } = context;
    if (settings.tls !== undefined) {
      const onSocket = (socket: Socket) => server.#lane.accept(socket);
      server.#gate = await TlsGate.open(settings.tls, 'rest', onSocket, audit, log);
    }
    return server;
  }

  /** @param onGone when the connection is closed */
  accept(accepted: Socket, onGone: () => void): void {
    const socket = this.#gate === undefined ? LeanSocket.of(accepted) : accepted;
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      onGone();
    });
    if (this.#gate === undefined) this.#lane.accept(socket);
    else this.#gate.accept(socket);
    // The supervisor paused it, so that not a byte was lost on the way.
    socket.resume();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    // Two hosts are one to this server and another to what stands before it (RFC 9112, 3.2).
    if ((incoming.headersDistinct['host']?.length ?? 0) > 1) {
      outgoing.writeHead(400, { connection: 'close', 'content-length': 0 }).end();
      return;
    }
    const request = new IncomingRequest(incoming, outgoing, this.#context.limits);
    await this.#answer(request, incoming.socket, (status, head, body) => {
      // What is left of a body that was refused is not read: the connection ends with the answer.
      if (this.#draining || !incoming.complete) head.push('connection', 'close');
      head.push('content-length', String(Buffer.byteLength(body)));
      outgoing.writeHead(status, head);
      outgoing.end(body);
      if (incoming.socket.writableNeedDrain) incoming.socket.setTimeout(requestTimeoutMs);
    });
    request.finish();
  }

  #handlePlain(head: PlainHead, body: Buffer, connection: PlainConnection): Promise<void> {
    const send: Send = (status, headers, answer) =>
      connection.respond(status, headers, answer, this.#draining);
    return this.#answer(new PlainRequest(head, body, connection), connection.socket, send);
  }

  /** A request that reached this server on another way; `known` is who it is from, where that was checked before. */
  run(stored: StoredRequest, known?: Caller): Promise<StoredResponse> {
    return new Promise((resolve, reject) => {
      const send: Send = (status, head, body) => resolve({ status, head, body });
      this.#answer(new ReplayedRequest(stored), peerOf(stored), send, known).catch(reject);
    });
  }

  /** Answers with what serves now, where this server has been replaced; answers false where nothing did. */
  async #forward(request: TimedRequest, peer: Peer, send: Send): Promise<boolean> {
    try {
      const { status, head, body } = await this.#context.forward(await storedRequest(request, peer));
      send(status, [...head], body);
      return true;
    } catch {
      return false;
    }
  }

  async #answer(request: TimedRequest, socket: Peer, send: Send, from?: Caller): Promise<void> {
    // Who was let in on the way here has nothing to show again.
    if (this.#draining && from === undefined && (await this.#forward(request, socket, send))) return;
    const startedMs = performance.now();
    const { access, limiter, dataPlane, meter } = this.#context;
    let caller: Caller | undefined;
    let plane: DataPlane | undefined;
    let response: RestResponse;
    let refusal: ServingError | undefined;
    try {
      const known = from ?? access.callerOf(request.headers, socket);
      caller = known instanceof Promise ? await known : known;
      request.claim(caller, socket);
      if (caller.limits !== undefined) await limiter.take(caller);
      plane = dataPlane.for(caller);
      response = await route(request, plane, this.#context);
      const bytes = response.body?.length ?? 0;
      if (bytes > smallBytes) request.holdAnswer(bytes, caller, socket);
    } catch (error) {
      refusal = this.#refusalOf(error);
      response = responseOf(refusal, request.path);
    }
    const given = requestIdOf(request.headers['x-request-id']);
    // What is logged gets a name in any case, to be found there.
    const isNamed = refusal !== undefined || this.#context.settings.accessLog;
    const requestId = given ?? (isNamed ? uuidv7() : undefined);
    send(response.status, headOf(response, plane?.predictionId, requestId), response.body ?? '');
    meter.record({
      protocol: 'rest',
      verb: response.verb,
      model: response.model ?? plane?.found?.model ?? '',
      version: response.version ?? plane?.found?.version ?? '',
      status: response.status,
      path: request.path,
      startedMs,
      bodyEndedMs: request.bodyEndedMs,
      plane,
      callerId: caller?.id ?? '',
      requestId,
      refusal,
      trace: traceHeaders(request.headers),
    });
  }

  /** A bug of ours gives away nothing but that it is one. */
  #refusalOf(error: unknown): ServingError {
    if (error instanceof ServingError) return error;
    // Of a request it would have been refused where it was read.
    if (error instanceof WireFault && error.code === 'WIRE_NON_FINITE')
      return new ServingError('SERVING_NON_FINITE_OUTPUT', 'The model gave NaN or Infinity for this input');
    this.#context.log.error({ err: error }, 'a bug: please report it');
    return new ServingError('SERVING_INFERENCE_FAILED', 'Internal error');
  }

  /**
   * Every answer from now on closes its connection. Idle ones are kept for `idleMs` from now, in which a client may still send what it
   * was about to; called again, the earlier end counts.
   */
  letIdleGo(idleMs: number): void {
    this.#draining = true;
    this.#idleUntilMs = Math.min(this.#idleUntilMs, performance.now() + idleMs);
  }

  /** Resolves when all connections are closed. */
  async drained(): Promise<void> {
    while (this.#sockets.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      if (performance.now() > this.#idleUntilMs) {
        this.#server.closeIdleConnections();
        this.#lane.closeIdle();
      }
    }
    this.#gate?.close();
    this.#lane.close();
    this.#server.close();
  }
}

const traceHeaders = ({ traceparent, tracestate }: RestRequest['headers']): TraceHeaders =>
  typeof traceparent === 'string'
    ? { traceparent, ...(typeof tracestate === 'string' && { tracestate }) }
    : untraced;
const untraced: TraceHeaders = {};

/** Names and values in turn, as node:http and the plain lane write them; without the length of the body. */
function headOf(
  { headers }: RestResponse,
  predictionId: string | undefined,
  requestId: string | undefined,
): string[] {
  const head = ['x-content-type-options', 'nosniff', 'cache-control', 'no-store'];
  for (const name in headers) head.push(name, headers[name] as string);
  if (predictionId !== undefined) head.push(predictionIdHeader, predictionId);
  if (requestId !== undefined) head.push('x-request-id', requestId);
  return head;
}

/** A refusal as TensorFlow Serving and the Open Inference Protocol word it. */
function responseOf(refusal: ServingError, path: string): RestResponse {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (refusal.http === 429 || refusal.http === 503)
    headers['retry-after'] = String(refusal.retryAfterSeconds);
  // A browser asks its user for a name and a password; the password is the key.
  if (refusal.http === 401) {
    headers['www-authenticate'] = `${isConsolePath(path) ? 'Basic' : 'Bearer'} realm="modelmile"`;
  }
  return {
    status: refusal.http,
    headers,
    body: JSON.stringify({ error: refusal.describe() }),
    verb: 'error',
  };
}
