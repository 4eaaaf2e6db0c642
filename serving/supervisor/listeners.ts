import { createServer, type Server } from 'node:net';
import type { Connections } from '../connections.ts';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Connection } from './underway.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken by another process',
  EACCES: 'this user may not',
  EADDRNOTAVAIL: 'this machine has no such address',
};

/** Resolves when a server listens. @throws ServingError SERVING_PORT_IN_USE saying why it cannot */
export function listen(server: Server, what: string, { host, port }: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => {
      const reason = reasons[error.code ?? ''] ?? error.message;
      reject(
        new ServingError(
          'SERVING_PORT_IN_USE',
          `Cannot listen on port ${port} (${what}, ${host}): ${reason}`,
        ),
      );
    };
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.removeListener('error', refuse);
      server.on('error', () => {});
      resolve({ host, port: (server.address() as { port: number }).port });
    });
  });
}

type Kind = Connection['listener'];
type Taker = (connection: Connection) => void;

/** A change that is tried: exactly one of the two is called. */
export interface Attempt {
  /** The new ones stay; what they replace takes no new connections. */
  commit(): void;
  /** As if it had not been tried. */
  undo(): void;
}

/**
 * The ports of the service. The supervisor holds them and hands every new connection, unread, to a worker: a worker's crash or
 * replacement never closes a port, which node:cluster does when the last worker of a port goes.
 */
export class Listeners {
  readonly #taker: Taker;
  /** Those that no worker has taken yet. */
  readonly #waiting: Connections;
  readonly #open = new Map<Kind, { wanted: Address; address: Address; server: Server }>();

  constructor(taker: Taker, waiting: Connections) {
    this.#taker = taker;
    this.#waiting = waiting;
  }

  address(kind: Kind): Address {
    return (this.#open.get(kind) as { address: Address }).address;
  }

  /**
   * Opens what the settings ask for and is not open yet.
   * @throws ServingError SERVING_PORT_IN_USE with everything as it was
   */
  async change(settings: ServingSettings): Promise<Attempt> {
    const before = new Map(this.#open);
    const undo = () => {
      for (const [kind, { server }] of this.#open) if (before.get(kind)?.server !== server) server.close();
      this.#open.clear();
      for (const [kind, listener] of before) this.#open.set(kind, listener);
    };
    try {
      for (const kind of ['rest', 'grpc'] as const) {
        const wanted = settings[kind];
        const current = this.#open.get(kind);
        if (current?.wanted.host === wanted.host && current.wanted.port === wanted.port) continue;
        const server = createServer({ pauseOnConnect: true }, (socket) => {
          const onGone = this.#waiting.admit(socket);
          if (onGone === undefined) return;
          socket.once('close', onGone);
          this.#taker({ listener: kind, socket });
        });
        const address = await listen(server, kind === 'rest' ? 'REST' : 'gRPC', wanted);
        this.#open.set(kind, { wanted, address, server });
      }
    } catch (error) {
      undo();
      throw error;
    }
    const commit = () => {
      for (const [kind, { server }] of before) if (this.#open.get(kind)?.server !== server) server.close();
    };
    return { commit, undo };
  }

  /** Takes no new connections. */
  close(): void {
    for (const { server } of this.#open.values()) server.close();
  }
}
