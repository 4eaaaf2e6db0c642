import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { answerConsole, type ConsoleStats, isConsolePath } from './console-routes.ts';
import type { ServingSettings } from './contract/index.ts';
import type { DataPlane } from './dataplane.ts';
import { ServingError } from './errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './monitoring/registry.ts';
import { restProtocols } from './protocols/index.ts';
import type { RestProtocol, RestRequest, RestResponse } from './protocols/protocol.ts';
import { assertLocalCaller } from './security/loopback.ts';

const unzip = promisify(gunzip);
const protocols: readonly RestProtocol[] = Object.values(restProtocols);

/** How long an idle connection is kept: longer than the usual load balancer's 60 s, so that it closes first. */
const keepAliveTimeoutMs = 75_000;
/** A client that sends its head slower than this is let go. */
const headersTimeoutMs = 15_000;

export interface RestServerContext {
  readonly dataPlane: DataPlane;
  readonly settings: ServingSettings;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly consoleStats: ConsoleStats;
}

async function readBody(incoming: IncomingMessage, maxBodyBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new ServingError('SERVING_BODY_TOO_LARGE', `The body is larger than ${maxBodyBytes} bytes`);
  if (Number(incoming.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length;
    if (size > maxBodyBytes) throw tooLarge();
    chunks.push(chunk as Buffer);
  }
  const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
  if (incoming.headers['content-encoding'] !== 'gzip') return body;
  try {
    return await unzip(body, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new ServingError(
      'SERVING_BAD_REQUEST',
      `Content-Encoding is gzip, the body is not: ${(error as Error).message}`,
    );
  }
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal, maxBodyBytes: number): RestRequest {
  const url = incoming.url as string;
  const at = url.indexOf('?');
  return {
    method: incoming.method as string,
    path: at < 0 ? url : url.slice(0, at),
    query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)),
    headers: incoming.headers,
    signal,
    body: () => readBody(incoming, maxBodyBytes),
  };
}

/** A refusal as TensorFlow Serving words it; a bug of ours gives away nothing but that it is one. */
function failure(error: unknown, log: Log): RestResponse {
  const known = error instanceof ServingError;
  if (!known) log.error({ err: error }, 'a bug: please report it');
  const refusal = known ? error : new ServingError('SERVING_INFERENCE_FAILED', 'Internal error');
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (refusal.http === 429 || refusal.http === 503) headers['retry-after'] = '1';
  return {
    status: refusal.http,
    headers,
    body: JSON.stringify({ error: refusal.describe() }),
    verb: 'error',
  };
}

async function route(request: RestRequest, context: RestServerContext): Promise<RestResponse> {
  assertLocalCaller(request.headers);
  if (context.settings.console && isConsolePath(request.path)) {
    return answerConsole(request, context.dataPlane, context.consoleStats);
  }
  for (const protocol of protocols) {
    const answer = protocol.handle(request, context.dataPlane);
    if (answer !== undefined) return answer;
  }
  throw new ServingError('SERVING_NO_ROUTE', `Malformed request: ${request.method} ${request.path}`);
}

const securityHeaders = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };

/**
 * The HTTP server of one worker. It never listens: the supervisor hands it connections, so that a crash of the worker does not
 * close the port.
 */
export class RestServer {
  readonly #context: RestServerContext;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #draining = false;

  constructor(context: RestServerContext) {
    this.#context = context;
    this.#server = createServer(
      { keepAliveTimeout: keepAliveTimeoutMs, headersTimeout: headersTimeoutMs },
      (i, o) => {
        void this.#handle(i, o);
      },
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
    const abort = new AbortController();
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) abort.abort();
    });
    const request = toRequest(incoming, abort.signal, this.#context.settings.maxBodyBytes);
    let response: RestResponse;
    try {
      response = await route(request, this.#context);
    } catch (error) {
      response = failure(error, this.#context.log);
    }
    this.#send(incoming, outgoing, response);
    this.#measure(request, response, startedMs);
  }

  #send(incoming: IncomingMessage, outgoing: ServerResponse, response: RestResponse): void {
    const { status, headers, body = '' } = response;
    // What is left of a body that was refused is not read: the connection ends with the answer.
    if (this.#draining || !incoming.complete) outgoing.setHeader('connection', 'close');
    outgoing.writeHead(status, { ...securityHeaders, ...headers, 'content-length': Buffer.byteLength(body) });
    outgoing.end(body);
  }

  #measure(request: RestRequest, response: RestResponse, startedMs: number): void {
    const { metrics, log } = this.#context;
    const { verb, status } = response;
    const seconds = (performance.now() - startedMs) / 1000;
    const labels = { model: response.model ?? '', version: response.version ?? '', method: verb };
    metrics.add('modelmile_requests_total', { ...labels, code: status });
    metrics.observe('modelmile_request_duration_seconds', labels, seconds);
    log.debug({ method: request.method, path: request.path, status, seconds }, 'request');
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
