import { connect, type Socket } from 'node:net';
import { cpuSeconds } from './process-cpu.ts';

/** What the generator is told, as one message from its parent. */
export interface LoadOrder {
  readonly port: number;
  /** What the server's process tree uses is counted here, at the very edges of the measured time: another process may be late. */
  readonly serverPid: number;
  /** The whole request, head and body, in base64. */
  readonly request: string;
  readonly connections: number;
  /** Requests a second with Poisson arrivals; undefined keeps every connection busy. */
  readonly rate?: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

/** What it saw. Latencies run from when a request was due, so that waiting for a connection counts. */
export interface LoadReport {
  readonly answered: number;
  readonly failed: number;
  /** First thing that went wrong. */
  readonly failure: string;
  readonly seconds: number;
  /** Of the server's whole process tree during the measured time. */
  readonly serverCpuSeconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Share of the answers that the latencies leave out: the generator's core did something else while it waited for them. */
  readonly leftOut: number;
}

const headEnd = Buffer.from('\r\n\r\n');
/** What all connections are read into: memory for each answer would cost more than all else that is done for it here. */
const bytes = Buffer.allocUnsafeSlow(64 * 1024);

const noBytes = Buffer.alloc(0);

/** One keep-alive connection that carries one request at a time. */
class Connection {
  readonly #socket: Socket;
  readonly #onAnswer: (connection: Connection, error: string) => void;
  /** What came of an answer whose head is not whole. */
  #head = noBytes;
  #bytes = 0;
  #expected = -1;
  dueMs = 0;

  constructor(port: number, onAnswer: (connection: Connection, error: string) => void) {
    this.#onAnswer = onAnswer;
    const callback = (length: number): boolean => {
      this.#take(bytes.subarray(0, length));
      return true;
    };
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: bytes, callback } });
    this.#socket.on('error', (error) => onAnswer(this, error.message));
  }

  send(request: Buffer, dueMs: number): void {
    this.dueMs = dueMs;
    this.#socket.write(request);
  }

  #take(part: Buffer): void {
    let chunk = part;
    if (this.#expected < 0) {
      if (this.#head.length > 0) chunk = Buffer.concat([this.#head, part]);
      const end = chunk.indexOf(headEnd);
      if (end < 0) {
        this.#head = Buffer.from(chunk);
        return;
      }
      const head = chunk.toString('latin1', 0, end);
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (!head.startsWith('HTTP/1.1 200') || length === undefined) {
        this.#done(chunk.toString('latin1', 0, 500));
        return;
      }
      this.#expected = end + 4 + Number(length);
    }
    this.#bytes += chunk.length;
    if (this.#bytes >= this.#expected) this.#done('');
  }

  #done(error: string): void {
    this.#head = noBytes;
    this.#bytes = 0;
    this.#expected = -1;
    this.#onAnswer(this, error);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The shortest pause that counts, in milliseconds: what the clocks can tell. */
const leastPauseMs = 0.5;

/**
 * Times at which another process had the generator's core. The generator never sleeps, so a turn that took much longer than the processor
 * time that it used was one: what a server did meanwhile cannot be seen, neither for nor against it.
 */
class Pauses {
  readonly #fromMs: number[] = [];
  readonly #toMs: number[] = [];
  #lastMs = performance.now();
  #lastCpuMs = cpuMs();

  /** Is called at every turn. */
  turn(nowMs: number): void {
    const usedMs = cpuMs();
    if (nowMs - this.#lastMs - (usedMs - this.#lastCpuMs) > leastPauseMs) {
      this.#fromMs.push(this.#lastMs);
      this.#toMs.push(nowMs);
    }
    this.#lastMs = nowMs;
    this.#lastCpuMs = usedMs;
  }

  /** Whether a request that was due then and answered then waited through one of them. */
  hides(dueMs: number, answeredMs: number): boolean {
    let [low, high] = [0, this.#toMs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#toMs[middle] as number) < dueMs) low = middle + 1;
      else high = middle;
    }
    return low < this.#fromMs.length && (this.#fromMs[low] as number) <= answeredMs;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Mulberry32, uniform in [0, 1). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function run(order: LoadOrder): Promise<LoadReport> {
  const request = Buffer.from(order.request, 'base64');
  /** When each request was due, and when it was answered: numbers in a row, since objects would have the collector move them. */
  const dueMsOf: number[] = [];
  const answeredMsOf: number[] = [];
  let startMs = Number.POSITIVE_INFINITY;
  let endMs = startMs;
  let isOver = false;
  let failed = 0;
  let failure = '';
  const idle: Connection[] = [];
  const due: number[] = [];

  const next = (connection: Connection) => {
    const nowMs = performance.now();
    if (order.rate === undefined) {
      if (!isOver) connection.send(request, nowMs);
    } else {
      const dueMs = due.shift();
      if (dueMs === undefined) idle.push(connection);
      else connection.send(request, dueMs);
    }
  };
  const onAnswer = (connection: Connection, error: string) => {
    const nowMs = performance.now();
    if (connection.dueMs >= startMs && nowMs < endMs) {
      if (error === '') {
        dueMsOf.push(connection.dueMs);
        answeredMsOf.push(nowMs);
      } else failed += 1;
    }
    if (error !== '') failure ||= error;
    next(connection);
  };
  const connections = Array.from({ length: order.connections }, () => new Connection(order.port, onAnswer));
  for (const connection of connections) next(connection);

  const pauses = new Pauses();
  if (order.rate !== undefined) {
    const random = uniform(order.seed);
    let atMs = performance.now();
    const arrive = () => {
      const nowMs = performance.now();
      pauses.turn(nowMs);
      while (atMs <= nowMs) {
        const connection = idle.pop();
        if (connection) connection.send(request, atMs);
        else due.push(atMs);
        atMs -= (Math.log(1 - random()) * 1000) / (order.rate as number);
      }
      if (!isOver) setImmediate(arrive);
    };
    arrive();
  }
  await wait(order.warmUpMs);
  const usedBefore = cpuSeconds(order.serverPid);
  startMs = performance.now();
  endMs = startMs + order.durationMs;
  await wait(order.durationMs);
  const seconds = (performance.now() - startMs) / 1000;
  const serverCpuSeconds = cpuSeconds(order.serverPid) - usedBefore;
  isOver = true;
  for (const connection of connections) connection.close();
  const answered = dueMsOf.length;
  const latencies = dueMsOf
    .map((dueMs, index) => [dueMs, answeredMsOf[index] as number] as const)
    .filter(([dueMs, answeredMs]) => !pauses.hides(dueMs, answeredMs))
    .map(([dueMs, answeredMs]) => answeredMs - dueMs)
    .sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    answered,
    failed,
    failure,
    seconds,
    serverCpuSeconds,
    p50: at(0.5),
    p99: at(0.99),
    leftOut: 1 - latencies.length / Math.max(1, answered),
  };
}

process.once('message', (order) => {
  void run(order as LoadOrder).then((report) => process.send?.({ report }, () => process.exit(0)));
});
