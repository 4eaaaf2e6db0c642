import type { Socket } from 'node:net';
import { Room } from './room.ts';
import { networkOf } from './security/caller.ts';

/** An idle one is 6 to 15 KiB, over TLS up to 46. */
const mostConnections = 16_384;
/** Files that a process keeps for itself, of half of those that it may open at most: models, certificates, a new worker's channel. */
const keptFiles = 256;
/** An address gets four times what it leaves to others: it may be a load balancer's. */
const timesLeft = 4;

/** How many connections a process may have that may open so many files. */
export const connectionLimit = (files: number): number =>
  Math.min(mostConnections, Math.floor(Math.max(files - keptFiles, files / 2)));

/** How many files this process may open at a time. */
export function openFilesLimit(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: Record<string, { soft?: unknown }> };
  const limit = Number(userLimits?.['open_files']?.soft);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}

/**
 * The connections of a process. Where the files are used up, new ones would be lost on their way from the supervisor to a worker, which
 * neither of them is told of, and nothing could be loaded any more.
 */
export class Connections {
  readonly #limit: number;
  readonly #onRefused: () => void;
  readonly #room = new Room(timesLeft);

  constructor(limit: number, onRefused: () => void) {
    this.#limit = limit;
    this.#onRefused = onRefused;
  }

  /** What to call when it is closed; undefined where it was closed here: its address has its share, or it is gone already. */
  admit(socket: Socket): (() => void) | undefined {
    const { remoteAddress } = socket;
    const place = networkOf(remoteAddress);
    if (remoteAddress !== undefined && this.#room.take(1, this.#limit, place)) {
      return () => this.#room.release(1, place);
    }
    if (remoteAddress !== undefined) this.#onRefused();
    socket.destroy();
    return undefined;
  }
}
