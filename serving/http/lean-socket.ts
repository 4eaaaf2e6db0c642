import { Socket } from 'node:net';

/** What every connection of this process is read into, one after the other. */
const bytes = Buffer.allocUnsafeSlow(64 * 1024);

type Take = (part: Buffer) => void;

/**
 * A connection whose bytes can be had without memory of their own. Node takes 64 KB for every read and gives most of it back, which
 * for bodies of some kilobytes costs more than reading them, and what is left is the collector's to free.
 */
export class LeanSocket extends Socket {
  /** Gets what comes, which the next read overwrites; where it is undefined this is a stream like any other. */
  onPart: Take | undefined;

  private constructor(handle: object) {
    const callback = (length: number): boolean => {
      const part = bytes.subarray(0, length);
      if (this?.onPart === undefined) return this?.push(Buffer.from(part)) ?? false;
      this.onPart(part);
      return true;
    };
    // Node's own libraries hand a socket's stream on by this option; its typings do not know it.
    super({ handle, readable: true, writable: true, onread: { buffer: bytes, callback } } as never);
  }

  /** Takes over what nobody has read from yet. Answers the same socket where it has no stream of its own to give, as one over TLS. */
  static of(socket: Socket): Socket {
    const holder = socket as { _handle?: object | null };
    if (socket.constructor !== Socket || !holder._handle) return socket;
    const lean = new LeanSocket(holder._handle);
    holder._handle = null;
    return lean;
  }
}
