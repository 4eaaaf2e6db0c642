import type { Socket } from 'node:net';
import { PlainConnection, type PlainServer } from './plain-connection.ts';

const sweepEveryMs = 1_000;

export interface PlainLaneOptions extends Omit<PlainServer, 'onGone'> {
  /** How long a request may take to arrive before node:http, which ends slow ones, is given the connection. */
  readonly arrivalTimeoutMs: number;
}

/**
 * The way for the requests that clients of a model send all day, one after the other on a connection that stays: a POST with a
 * length. They need no streams and no parser that knows all of HTTP, which together cost more than a small model does. At the first
 * request that is in any way unusual the connection goes to node:http for good, with every byte of that request.
 */
export class PlainLane {
  readonly #options: PlainLaneOptions;
  readonly #server: PlainServer;
  readonly #connections = new Set<PlainConnection>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: PlainLaneOptions) {
    this.#options = options;
    this.#server = {
      maxBodyBytes: options.maxBodyBytes,
      keepAliveTimeoutMs: options.keepAliveTimeoutMs,
      departureTimeoutMs: options.departureTimeoutMs,
      limits: options.limits,
      onRequest: options.onRequest,
      onOther: options.onOther,
      onGone: (connection) => this.#connections.delete(connection),
    };
    this.#sweep = setInterval(() => this.#expire(), sweepEveryMs).unref();
  }

  accept(socket: Socket): void {
    this.#connections.add(new PlainConnection(socket, this.#server));
  }

  #expire(): void {
    const nowMs = performance.now();
    const { keepAliveTimeoutMs, arrivalTimeoutMs, departureTimeoutMs } = this.#options;
    for (const connection of this.#connections) {
      if (nowMs - (connection.idleSinceMs ?? nowMs) > keepAliveTimeoutMs) connection.socket.destroy();
      else if (nowMs - (connection.departingSinceMs ?? nowMs) > departureTimeoutMs)
        connection.socket.destroy();
      else if (nowMs - (connection.arrivingSinceMs ?? nowMs) > arrivalTimeoutMs) connection.leave();
    }
  }

  /** Ends the connections that wait for a request to begin. */
  closeIdle(): void {
    for (const connection of this.#connections) {
      if (connection.idleSinceMs !== undefined) connection.socket.destroy();
    }
  }

  close(): void {
    clearInterval(this.#sweep);
  }
}
