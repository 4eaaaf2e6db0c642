import { connect, type Socket } from 'node:net';

/** A request that is not whole gets no answer: when somebody who came after it has one, so long nothing more is expected. */
const silenceMs = 20;
const answerTimeoutMs = 30_000;
const statusPattern = /(?:^|\n)HTTP\/1\.1 (\d{3}) /g;
const framed = /^[A-Z]+ \S+ HTTP\/1\.1\r\n(?:[\w-]+: [^\r\n]*\r\n)*\r\n/;

/** Where the one request ends that bytes hold, and nothing else; undefined where that is for the server to find out. */
function isWhole(bytes: Buffer): boolean {
  const [head] = framed.exec(bytes.toString('latin1')) ?? [];
  if (head === undefined || /\r\n(transfer-encoding|expect|upgrade|connection):/i.test(head)) return false;
  const lengths = [...head.matchAll(/\r\ncontent-length: (\d+)\r\n/gi)];
  return lengths.length === 1 && Number(lengths[0]?.[1]) === bytes.length - head.length;
}

/** The status of the first answer, where all of it is there. */
function wholeAnswer(text: string, isHead: boolean): number | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = isHead ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
  return text.length < end + 4 + length ? undefined : Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
}

/** Asks one request after the other: whole ones on a connection that stays, all else on one of its own. */
export class FuzzConnection {
  readonly #port: number;
  #kept: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Statuses of what comes back. @throws Error where a whole request gets no answer */
  ask(bytes: Buffer): Promise<number[]> {
    return isWhole(bytes) ? this.#whole(bytes) : this.#alone(bytes);
  }

  async #whole(bytes: Buffer): Promise<number[]> {
    const socket = this.#kept ?? connect(this.#port, '127.0.0.1');
    this.#kept = socket;
    const isHead = bytes.toString('latin1', 0, 5) === 'HEAD ';
    let text = '';
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer to ${JSON.stringify(bytes.toString('latin1'))}`)),
        answerTimeoutMs,
      );
      const settle = (value: number | undefined) => {
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.on('error', () => {});
        resolve(value);
      };
      socket.on('data', (part) => {
        text += part.toString('latin1');
        const whole = wholeAnswer(text, isHead);
        if (whole !== undefined) settle(whole);
      });
      socket.on('error', () => {});
      socket.on('close', () => settle(wholeAnswer(text, isHead)));
      socket.write(bytes);
    });
    if (status === undefined || socket.destroyed || /\r\nconnection: close/i.test(text)) this.close();
    return status === undefined ? [] : [status];
  }

  #alone(bytes: Buffer): Promise<number[]> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1');
      let text = '';
      let timer: NodeJS.Timeout | undefined;
      const done = () => {
        clearTimeout(timer);
        socket.destroy();
        resolve([...text.matchAll(statusPattern)].map((found) => Number(found[1])));
      };
      socket.on('connect', () => {
        socket.write(bytes);
        timer = setTimeout(() => void this.#passed().then(() => setTimeout(done, silenceMs)), silenceMs);
      });
      socket.on('data', (part) => {
        text += part.toString('latin1');
        // What was smuggled behind the first request would be answered at once.
        clearTimeout(timer);
        timer = setTimeout(done, 2);
      });
      socket.on('error', () => {});
      socket.on('close', done);
    });
  }

  /** Resolves when somebody who came later was answered. */
  #passed(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1', () =>
        socket.write('GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      );
      socket.on('data', () => socket.destroy());
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
  }

  close(): void {
    this.#kept?.destroy();
    this.#kept = undefined;
  }
}
