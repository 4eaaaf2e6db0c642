import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type BodyLimits, HeldBytes } from '../body-limits.ts';
import { LeanSocket } from './lean-socket.ts';
import { type PlainHead, parsePlainHead } from './plain-head.ts';

/** A longer head is node:http's. */
const maxHeadBytes = 4096;
const endOfHead = Buffer.from('\r\n\r\n');

/** Memory for requests that came in one piece, used again as soon as they are answered: it is still in the processor's cache. */
const pieceBytes = 16 * 1024;
const maxFreePieces = 64;
const freePieces: Buffer[] = [];

/** What a connection needs to know of the server. */
export interface PlainServer {
  /** Larger bodies are node:http's. */
  readonly maxBodyBytes: number;
  readonly keepAliveTimeoutMs: number;
  /** How long a client may take to read an answer. */
  readonly departureTimeoutMs: number;
  /** What all connections together may hold. */
  readonly limits: BodyLimits;
  /** A whole request with its body; answered by `connection.respond`, once. */
  onRequest(head: PlainHead, body: Buffer, connection: PlainConnection): void;
  /** Takes a connection over, with everything that came and was not read yet. */
  onOther(socket: Socket): void;
  /** The connection ended or was taken over. */
  onGone(connection: PlainConnection): void;
}

let dateSecond = 0;
let dateLine = '';

function date(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateLine;
}

/** One connection of the plain lane: one request after the other. */
export class PlainConnection {
  readonly socket: Socket;
  readonly #server: PlainServer;
  /** What came and is no whole request yet, or waits for the one before it. */
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Head of the request that is arriving, once it is there. */
  #head: PlainHead | undefined;
  #headBytes = 0;
  /** The last head and its bytes: clients say the same again and again. */
  #lastHead: PlainHead | undefined;
  #lastHeadBytes: Buffer | undefined;
  #isBusy = false;
  /** Whether the client has yet to read the answer before: until then it gets no other one. */
  #isDeparting = false;
  /** Holds the request that is being answered. */
  #piece: Buffer | undefined;
  /** Bytes that count against the limits: what came, is not answered and is not known to be anybody's. */
  #held = 0;
  /** Of the request that is being answered. */
  #claimed: HeldBytes | undefined;
  /** Lets go of a large answer. */
  #releaseAnswer: (() => void) | undefined;
  #sinceMs = performance.now();
  readonly #onDrain = () => this.#departed();
  readonly #onData = (part: Buffer) => this.#take(part);
  readonly #onEnd = () => this.socket.end();
  readonly #onError = () => this.socket.destroy();
  readonly #onClose = () => {
    this.#release(this.#held);
    this.#unclaim();
    this.#answered();
    this.#server.onGone(this);
  };

  constructor(socket: Socket, server: PlainServer) {
    this.socket = socket;
    this.#server = server;
    if (socket instanceof LeanSocket) socket.onPart = this.#onData;
    else socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  /** Since when, on `performance.now()`'s clock, it waits for a request to begin; undefined where it does not. */
  get idleSinceMs(): number | undefined {
    return this.#isBusy || this.#isDeparting || this.#bytes > 0 ? undefined : this.#sinceMs;
  }

  /** Since when a request has been arriving. */
  get arrivingSinceMs(): number | undefined {
    return this.#isBusy || this.#isDeparting || this.#bytes === 0 ? undefined : this.#sinceMs;
  }

  /** Since when an answer waits to be read. */
  get departingSinceMs(): number | undefined {
    return this.#isDeparting ? this.#sinceMs : undefined;
  }

  #take(part: Buffer): void {
    // Behind the last answer nothing is answered.
    if (this.socket.writableEnded) return;
    if (this.#bytes === 0 && !this.#isDeparting) this.#sinceMs = performance.now();
    this.#parts.push(this.#isRequest(part) ? this.#pieceOf(part) : Buffer.from(part));
    this.#bytes += part.length;
    const hasRoom = this.#hold(part.length);
    // Whoever sends on without waiting for answers does not fill the memory.
    if (this.#isBusy || this.#isDeparting) this.socket.pause();
    else if (hasRoom) this.#next();
    else this.leave();
  }

  /** Whether these bytes, with nothing before them, are a request with its whole body. */
  #isRequest(part: Buffer): boolean {
    if (this.#isBusy || this.#bytes > 0 || part.length > pieceBytes) return false;
    this.#head = this.#readHead(part);
    return this.#head !== undefined && part.length >= this.#headBytes + this.#head.contentLength;
  }

  #pieceOf(part: Buffer): Buffer {
    this.#piece = freePieces.pop() ?? Buffer.allocUnsafeSlow(pieceBytes);
    part.copy(this.#piece);
    return this.#piece.subarray(0, part.length);
  }

  #hold(bytes: number): boolean {
    try {
      this.#server.limits.hold(bytes, this.#held, undefined);
      this.#held += bytes;
      return true;
    } catch {
      return false;
    }
  }

  #release(bytes: number): void {
    this.#server.limits.release(bytes, undefined);
    this.#held -= bytes;
  }

  /** So many bytes of the request that is being answered are somebody's. @throws ServingError SERVING_OVERLOADED */
  claim(bytes: number, holder: string): void {
    // It is gone, and holds nothing any more.
    if (this.socket.destroyed) return;
    this.#release(bytes);
    this.#claimed = new HeldBytes(this.#server.limits);
    this.#claimed.claim(holder);
    this.#claimed.hold(bytes);
  }

  #unclaim(): void {
    this.#claimed?.releaseAll();
    this.#claimed = undefined;
  }

  /** So many bytes of an answer that is large are somebody's until it is with the client. @throws ServingError SERVING_OVERLOADED */
  holdAnswer(bytes: number, holder: string): void {
    if (this.socket.destroyed) return;
    const { limits } = this.#server;
    limits.holdAnswer(bytes, holder);
    this.#releaseAnswer = () => limits.releaseAnswer(bytes, holder);
  }

  #answered(): void {
    this.#releaseAnswer?.();
    this.#releaseAnswer = undefined;
  }

  #next(): void {
    const head = this.#head ?? this.#readHead(this.#parts[0] as Buffer);
    if (!head) {
      this.leave();
      return;
    }
    const end = this.#headBytes + head.contentLength;
    if (this.#bytes < end) return;
    const bytes =
      this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts, this.#bytes);
    this.#parts = bytes.length > end ? [bytes.subarray(end)] : [];
    this.#bytes = bytes.length - end;
    this.#head = undefined;
    this.#isBusy = true;
    this.#server.onRequest(head, bytes.subarray(this.#headBytes, end), this);
  }

  /** The head that these bytes begin with; undefined where it is not plain, or not whole. */
  #readHead(bytes: Buffer): PlainHead | undefined {
    const last = this.#lastHeadBytes;
    if (last && bytes.length >= last.length && bytes.compare(last, 0, last.length, 0, last.length) === 0) {
      this.#headBytes = last.length;
      this.#head = this.#lastHead;
      return this.#head;
    }
    const end = bytes.indexOf(endOfHead);
    if (end < 0 || end > maxHeadBytes) return undefined;
    const head = parsePlainHead(bytes.toString('latin1', 0, end));
    if (!head || head.contentLength > this.#server.maxBodyBytes) return undefined;
    this.#headBytes = end + endOfHead.length;
    this.#head = head;
    this.#lastHead = head;
    this.#lastHeadBytes = Buffer.from(bytes.subarray(0, this.#headBytes));
    return head;
  }

  /** Answers the request. `headers` are names and values in turn. */
  respond(status: number, headers: readonly string[], body: string | Uint8Array, isLast: boolean): void {
    const { socket } = this;
    if (socket.destroyed) return;
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n${date()}`;
    for (let index = 0; index < headers.length; index += 2)
      head += `${headers[index]}: ${headers[index + 1]}\r\n`;
    head += isLast
      ? 'connection: close\r\n'
      : `connection: keep-alive\r\nkeep-alive: timeout=${this.#server.keepAliveTimeoutMs / 1000}\r\n`;
    // Head and body in one write: a second one would cost as much as a third of the whole request.
    if (typeof body === 'string') {
      const length = Buffer.byteLength(body);
      socket.write(
        `${head}content-length: ${length}\r\n\r\n${body}`,
        length === body.length ? 'latin1' : 'utf8',
      );
    } else {
      head += `content-length: ${body.length}\r\n\r\n`;
      const bytes = Buffer.allocUnsafe(head.length + body.length);
      bytes.write(head, 'latin1');
      bytes.set(body, head.length);
      socket.write(bytes);
    }
    this.#isBusy = false;
    this.#sinceMs = performance.now();
    if (isLast) {
      this.#parts = [];
      this.#bytes = 0;
    }
    this.#release(this.#held - this.#bytes);
    this.#unclaim();
    // What came behind the request lies there too.
    if (this.#piece && this.#bytes === 0 && freePieces.length < maxFreePieces) freePieces.push(this.#piece);
    this.#piece = undefined;
    if (isLast || socket.writableNeedDrain) {
      this.#isDeparting = true;
      socket.once(isLast ? 'finish' : 'drain', this.#onDrain);
      // Read on, to notice when the client ends.
      if (isLast) socket.end().resume();
    } else {
      this.#answered();
      this.#goOn();
    }
  }

  #departed(): void {
    this.#answered();
    this.#isDeparting = false;
    this.#sinceMs = performance.now();
    this.#goOn();
  }

  /** To the request that came behind the one that is answered. */
  #goOn(): void {
    if (this.#bytes === 0) return;
    this.socket.resume();
    this.#next();
  }

  /** Hands the connection to node:http. */
  leave(): void {
    const { socket } = this;
    if (socket instanceof LeanSocket) socket.onPart = undefined;
    else socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    this.#release(this.#held);
    this.#server.onGone(this);
    socket.pause();
    socket.unshift(Buffer.concat(this.#parts, this.#bytes));
    this.#parts = [];
    this.#bytes = 0;
    this.#server.onOther(socket);
    socket.resume();
  }
}
