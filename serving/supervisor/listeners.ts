import { createServer, type Server, type Socket } from 'node:net';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Explains why a port cannot be had. */
export function listenError(
  error: NodeJS.ErrnoException,
  what: string,
  { host, port }: Address,
): ServingError {
  if (error.code === 'EADDRINUSE') {
    return new ServingError(
      'SERVING_PORT_IN_USE',
      `Port ${port} (${what}, ${host}) is taken by another process`,
    );
  }
  if (error.code === 'EACCES') {
    return new ServingError(
      'SERVING_PORT_IN_USE',
      `This user may not listen on port ${port} (${what}, ${host})`,
    );
  }
  return new ServingError(
    'SERVING_PORT_IN_USE',
    `Cannot listen on ${host}:${port} (${what}): ${error.message}`,
  );
}

/** Resolves when a server listens. @throws ServingError SERVING_PORT_IN_USE */
export function listen(server: Server, what: string, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(listenError(error, what, address));
    server.once('error', refuse);
    server.listen({ host: address.host, port: address.port }, () => {
      server.removeListener('error', refuse);
      server.on('error', () => {});
      resolve({ host: address.host, port: (server.address() as { port: number }).port });
    });
  });
}

type Kind = 'rest' | 'grpc';
type Taker = (kind: Kind, socket: Socket) => void;

/**
 * The ports of the service. The supervisor holds them and hands every new connection, unread, to a worker: a worker's crash or
 * replacement never closes a port, which node:cluster does when the last worker of a port goes.
 */
export class Listeners {
  readonly #taker: Taker;
  readonly #open = new Map<Kind, { wanted: Address; address: Address; server: Server }>();

  constructor(taker: Taker) {
    this.#taker = taker;
  }

  address(kind: Kind): Address {
    return (this.#open.get(kind) as { address: Address }).address;
  }

  /**
   * Opens what the settings ask for and is not open yet; returns what then closes the rest, to be called once the new ones serve.
   * @throws ServingError SERVING_PORT_IN_USE with everything as it was.
   */
  async change(settings: ServingSettings): Promise<() => void> {
    const opened: Kind[] = [];
    const replaced: Server[] = [];
    const before = new Map(this.#open);
    try {
      for (const kind of ['rest', 'grpc'] as const) {
        const wanted = settings[kind];
        const current = this.#open.get(kind);
        if (current?.wanted.host === wanted.host && current.wanted.port === wanted.port) continue;
        const server = createServer({ pauseOnConnect: true }, (socket) => this.#taker(kind, socket));
        const address = await listen(server, kind === 'rest' ? 'REST' : 'gRPC', wanted);
        this.#open.set(kind, { wanted, address, server });
        opened.push(kind);
        if (current !== undefined) replaced.push(current.server);
      }
    } catch (error) {
      for (const kind of opened) {
        this.#open.get(kind)?.server.close();
        const previous = before.get(kind);
        if (previous === undefined) this.#open.delete(kind);
        else this.#open.set(kind, previous);
      }
      throw error;
    }
    return () => {
      for (const server of replaced) server.close();
    };
  }

  /** Takes no new connections. */
  close(): void {
    for (const { server } of this.#open.values()) server.close();
  }
}
