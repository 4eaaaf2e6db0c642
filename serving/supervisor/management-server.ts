import { createServer, type Server } from 'node:http';
import { type Address, listen } from './listeners.ts';

/** What port 9090 tells; no predictions here. */
export interface ManagementSource {
  isReady(): boolean;
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
  '/readyz': async (source) => (source.isReady() ? plain(200, 'ready') : plain(503, 'not ready')),
  '/metrics': async (source) => ({
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: await source.metrics(),
  }),
};

/** Health and metrics, in the supervisor: they answer also while no worker can. */
export class ManagementServer {
  readonly #source: ManagementSource;
  #server: Server | undefined;
  #wanted: Address | undefined;
  #address: Address = { host: '127.0.0.1', port: 0 };

  constructor(source: ManagementSource) {
    this.#source = source;
  }

  get address(): Address {
    return this.#address;
  }

  /** @throws ServingError SERVING_PORT_IN_USE; what listened before listens on. */
  async listen(wanted: Address): Promise<void> {
    if (this.#wanted?.host === wanted.host && this.#wanted.port === wanted.port) return;
    const server = createServer((request, response) => {
      const route =
        request.method === 'GET' ? routes[(request.url ?? '').split('?')[0] as string] : undefined;
      const answer = route?.(this.#source) ?? Promise.resolve(plain(404, 'paths: /healthz /readyz /metrics'));
      answer.then(
        ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
        () => response.writeHead(500).end(),
      );
    });
    this.#address = await listen(server, 'management', wanted);
    this.#server?.close();
    this.#server = server;
    this.#wanted = wanted;
  }

  async close(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }
}
