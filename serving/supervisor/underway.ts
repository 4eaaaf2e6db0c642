import type { Socket } from 'node:net';
import { machineMs } from './machine-clock.ts';

/** A worker takes a connection that is younger than this, and no other. */
const takeWithinMs = 2_000;
/** So much later it is given to another: who took it in time has said so. */
const graceMs = 1_000;

/** A connection as it was accepted, unread. */
export interface Connection {
  readonly listener: 'rest' | 'grpc';
  readonly socket: Socket;
  /** One worker did not take it in time: the next has it for as long as it lives. */
  readonly wasMoved?: boolean;
}

interface Sent {
  /** Undefined: it was given to another. */
  connection: Connection | undefined;
  readonly untilMs: number;
}

/** Connections that were handed to one worker, and of which it has not said that it has them. */
export class Underway {
  readonly #sent = new Map<number, Sent>();
  #next = 1;
  /** When the first of them was sent, or when it took one of them. */
  #movedMs = 0;

  /** @param isFinal whether nobody else could take it */
  add(connection: Connection, isFinal: boolean): { readonly id: number; readonly untilMs: number } {
    const nowMs = machineMs();
    if (this.isEmpty) this.#movedMs = nowMs;
    const id = this.#next++;
    const untilMs = isFinal || connection.wasMoved ? Number.POSITIVE_INFINITY : nowMs + takeWithinMs;
    this.#sent.set(id, { connection, untilMs });
    return { id, untilMs };
  }

  /** For how long its worker has taken none of them. */
  get waitingMs(): number {
    return this.isEmpty ? 0 : machineMs() - this.#movedMs;
  }

  /** Whether its worker has spoken of all that it was handed. */
  get isEmpty(): boolean {
    return this.#sent.size === 0;
  }

  /** The worker spoke of it. Undefined where it was given to another. */
  end(id: number): Connection | undefined {
    const sent = this.#sent.get(id);
    this.#sent.delete(id);
    this.#movedMs = machineMs();
    return sent?.connection;
  }

  /** Those that its worker, from which nothing is heard, does not take any more. It still has to say so. */
  takeBack(): Connection[] {
    const nowMs = machineMs();
    const back: Connection[] = [];
    for (const sent of this.#sent.values()) {
      if (sent.connection === undefined || nowMs < sent.untilMs + graceMs) continue;
      back.push({ ...sent.connection, wasMoved: true });
      sent.connection = undefined;
    }
    return back;
  }

  /** Of the one that was added last. */
  get lastId(): number {
    return this.#next - 1;
  }

  /** Its worker has answered what it was asked after this one was sent: those up to here that it did not speak of never came. */
  lost(lastId: number): Connection[] {
    const lost: Connection[] = [];
    for (const [id, { connection }] of this.#sent) {
      if (id > lastId) break;
      this.#sent.delete(id);
      if (connection !== undefined) lost.push(connection);
    }
    return lost;
  }

  /** Its worker is gone: all that are nobody's. */
  close(): Connection[] {
    const left = [...this.#sent.values()].flatMap(({ connection }) => connection ?? []);
    this.#sent.clear();
    return left;
  }
}
