import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Connections } from '../connections.ts';
import { type Address, type Attempt, listen } from './listeners.ts';

/** What port 9090 tells; no predictions here. */
export interface ManagementSource {
  /** Undefined where it is not ready, else what it runs on. */
  readiness(): string | undefined;
  /** Prometheus's text format. */
  metrics(): Promise<string>;
}

type Answer = (source: ManagementSource) => Promise<{ status: number; type: string; body: string }>;

const plain = (status: number, body: string) => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});

const routes: Readonly<Record<string, Answer>> = {
  '/healthz': async () => plain(200, 'alive'),
  '/readyz': async (source) => {
    const provider = source.readiness();
    return provider === undefined ? plain(503, 'not ready') : plain(200, `ready on ${provider}`);
  },
  '/metrics': async (source) => ({
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: await source.metrics(),
  }),
};

/** Health and metrics, in the supervisor: they answer also while no worker can. */
export class ManagementServer {
  readonly #source: ManagementSource;
  readonly #connections: Connections;
  #server: Server | undefined;
  #wanted: Address | undefined;
  #address: Address = { host: '127.0.0.1', port: 0 };

  constructor(source: ManagementSource, connections: Connections) {
    this.#source = source;
    this.#connections = connections;
  }

  get address(): Address {
    return this.#address;
  }

  /** @throws ServingError SERVING_PORT_IN_USE with everything as it was */
  async change(wanted: Address): Promise<Attempt> {
    const before = { server: this.#server, wanted: this.#wanted, address: this.#address };
    if (this.#wanted?.host === wanted.host && this.#wanted.port === wanted.port) {
      return { commit: () => {}, undo: () => {} };
    }
    const server = createServer((request, response) => this.#answer(request, response));
    server.on('connection', (socket) => {
      const onGone = this.#connections.admit(socket);
      if (onGone !== undefined) socket.once('close', onGone);
    });
    this.#address = await listen(server, 'management', wanted);
    this.#server = server;
    this.#wanted = wanted;
    return {
      commit: () => void before.server?.close(),
      undo: () => {
        server.close();
        this.#server = before.server;
        this.#wanted = before.wanted;
        this.#address = before.address;
      },
    };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?')[0] as string;
    const route = request.method === 'GET' && Object.hasOwn(routes, path) ? routes[path] : undefined;
    const answer = route?.(this.#source) ?? Promise.resolve(plain(404, 'paths: /healthz /readyz /metrics'));
    answer.then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      () => response.writeHead(500).end(),
    );
  }

  async close(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }
}
