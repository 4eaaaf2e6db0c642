import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { uuidv7 } from 'uuidv7';
import { answerConsole, type ConsoleStats, isConsolePath } from './console-routes.ts';
import { predictionIdHeader, type ServingSettings } from './contract/index.ts';
import type { DataPlane } from './dataplane.ts';
import { ServingError } from './errors.ts';
import type { Log } from './log.ts';
import type { RequestMeter } from './monitoring/request-meter.ts';
import { restProtocols } from './protocols/index.ts';
import type { RestProtocol, RestRequest, RestResponse } from './protocols/protocol.ts';
import { BodyLimits, IncomingRequest } from './rest-request.ts';
import { localCaller } from './security/caller.ts';
import { assertLocalCaller } from './security/loopback.ts';

const protocols: readonly RestProtocol[] = Object.values(restProtocols);

/** How long an idle connection is kept: longer than the usual load balancer's 60 s, so that it closes first. */
const keepAliveTimeoutMs = 75_000;
/** A client that sends its head, or its head and body, slower than this is let go. */
const headersTimeoutMs = 15_000;
const requestTimeoutMs = 120_000;

export interface RestServerContext {
  readonly dataPlane: DataPlane;
  readonly settings: ServingSettings;
  readonly meter: RequestMeter;
  readonly log: Log;
  readonly consoleStats: ConsoleStats;
}

/** What a client may call its own requests; anything else is not taken into logs. */
const requestIdPattern = /^[\w.:/-]{1,128}$/;

async function route(
  request: RestRequest,
  dataPlane: DataPlane,
  context: RestServerContext,
): Promise<RestResponse> {
  for (const protocol of protocols) {
    const answer = protocol.handle(request, dataPlane);
    if (answer !== undefined) return answer;
  }
  if (context.settings.console && isConsolePath(request.path)) {
    return answerConsole(request, dataPlane, context.consoleStats);
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
  readonly #limits: BodyLimits;
  readonly #sockets = new Set<Socket>();
  #draining = false;

  constructor(context: RestServerContext) {
    this.#context = context;
    this.#limits = new BodyLimits(context.settings.maxBodyBytes);
    this.#server = createServer(
      {
        keepAliveTimeout: keepAliveTimeoutMs,
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
      },
      (incoming, outgoing) => void this.#handle(incoming, outgoing),
    );
    // Node's time limits for slow clients start with `listen`, which this server never does.
    this.#server.emit('listening');
    this.#server.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    });
  }

  accept(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#server.emit('connection', socket);
    // The supervisor paused it, so that not a byte was lost on the way.
    socket.resume();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const startedMs = performance.now();
    const request = new IncomingRequest(incoming, this.#limits);
    let plane: DataPlane | undefined;
    let response: RestResponse;
    let refusal: ServingError | undefined;
    try {
      assertLocalCaller(incoming.headers);
      plane = this.#context.dataPlane.for(localCaller);
      response = await route(request, plane, this.#context);
    } catch (error) {
      refusal = this.#refusalOf(error);
      response = responseOf(refusal);
    }
    const requestId = requestIdOf(incoming, refusal);
    this.#send(incoming, outgoing, response, plane?.predictionId, requestId);
    request.finish();
    this.#context.meter.record({
      protocol: 'rest',
      verb: response.verb,
      model: response.model ?? plane?.found?.model ?? '',
      version: response.version ?? plane?.found?.version ?? '',
      status: response.status,
      path: request.path,
      startedMs,
      bodyEndedMs: request.bodyEndedMs,
      plane,
      callerId: localCaller.id,
      requestId,
      refusal,
    });
  }

  /** A bug of ours gives away nothing but that it is one. */
  #refusalOf(error: unknown): ServingError {
    if (error instanceof ServingError) return error;
    this.#context.log.error({ err: error }, 'a bug: please report it');
    return new ServingError('SERVING_INFERENCE_FAILED', 'Internal error');
  }

  #send(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { status, headers, body = '' }: RestResponse,
    predictionId: string | undefined,
    requestId: string | undefined,
  ): void {
    // One flat list: node:http writes it as it is.
    const head: (string | number)[] = ['x-content-type-options', 'nosniff', 'cache-control', 'no-store'];
    for (const name in headers) head.push(name, headers[name] as string);
    head.push('content-length', Buffer.byteLength(body));
    if (predictionId !== undefined) head.push(predictionIdHeader, predictionId);
    if (requestId !== undefined) head.push('x-request-id', requestId);
    // What is left of a body that was refused is not read: the connection ends with the answer.
    if (this.#draining || !incoming.complete) head.push('connection', 'close');
    outgoing.writeHead(status, head as never);
    outgoing.end(body);
  }

  /**
   * Every answer from now on closes its connection; resolves when all are closed. Idle ones are let go after `graceMs`, in which a
   * client may still send what it was about to.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const startedMs = performance.now();
    while (this.#sockets.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (performance.now() - startedMs > graceMs) this.#server.closeIdleConnections();
    }
    this.#server.close();
  }
}

/** The client's own name of the request; a refused one gets a name in any case, to be found in the log. */
function requestIdOf({ headers }: IncomingMessage, refusal: ServingError | undefined): string | undefined {
  const given = headers['x-request-id'];
  if (typeof given === 'string' && requestIdPattern.test(given)) return given;
  return refusal === undefined ? undefined : uuidv7();
}

/** A refusal as TensorFlow Serving and the Open Inference Protocol word it. */
function responseOf(refusal: ServingError): RestResponse {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (refusal.http === 429 || refusal.http === 503)
    headers['retry-after'] = String(refusal.retryAfterSeconds);
  return {
    status: refusal.http,
    headers,
    body: JSON.stringify({ error: refusal.describe() }),
    verb: 'error',
  };
}
