import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer, type Server as NetServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BodyLimits } from '../../../serving/body-limits.ts';
import { LeanSocket } from '../../../serving/http/lean-socket.ts';
import type { PlainConnection } from '../../../serving/http/plain-connection.ts';
import { parsePlainHead } from '../../../serving/http/plain-head.ts';
import { PlainLane } from '../../../serving/http/plain-lane.ts';
import { until } from '../../support/load.ts';
import { seeded } from '../wire/numbers.ts';

const limits = new BodyLimits(1_000_000);
let lane: PlainLane;
let http: Server;
let port: NetServer;
const seen = { plain: 0, other: 0 };
let onPlain = (_: PlainConnection): void => {};

/** Both ways answer with what they were asked, so that a mix-up shows. */
beforeAll(async () => {
  http = createHttpServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      seen.other += 1;
      response.end(`${request.method} ${request.url} ${Buffer.concat(parts)}`);
    });
  });
  lane = new PlainLane({
    maxBodyBytes: 2000,
    keepAliveTimeoutMs: 60_000,
    arrivalTimeoutMs: 60_000,
    departureTimeoutMs: 60_000,
    limits,
    onRequest: (head, body, connection) => {
      seen.plain += 1;
      onPlain(connection);
      // Answered later, as a model does.
      const answer = head.url.startsWith('/large-answer')
        ? 'z'.repeat(20_000_000)
        : `POST ${head.url} ${body}`;
      setImmediate(() => connection.respond(200, ['x-way', 'plain'], answer, head.url.endsWith('/last')));
    },
    onOther: (socket) => http.emit('connection', socket),
  });
  // In turn as it comes from the supervisor, and as it comes through TLS.
  let isLean = false;
  port = createServer((socket) => {
    isLean = !isLean;
    lane.accept(isLean ? LeanSocket.of(socket) : socket);
  });
  await new Promise<void>((resolve) => port.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  lane.close();
  http.closeAllConnections();
  // Its own count of connections knows nothing of those that were taken over, which in a worker come from another process.
  port.close();
});

/** Sends bytes in pieces and answers the bodies of the answers, in order. */
function exchange(pieces: readonly Buffer[], answers: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect((port.address() as AddressInfo).port, '127.0.0.1');
    const bodies: string[] = [];
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('data', (part) => {
      received = Buffer.concat([received, part]);
      for (;;) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const length = Number(/content-length: *(\d+)/i.exec(received.toString('latin1', 0, end))?.[1]);
        if (received.length < end + 4 + length) return;
        bodies.push(received.toString('utf8', end + 4, end + 4 + length));
        received = received.subarray(end + 4 + length);
        if (bodies.length === answers) {
          socket.destroy();
          resolve(bodies);
          return;
        }
      }
    });
    const send = (index: number) => {
      if (index === pieces.length || socket.destroyed) return;
      socket.write(pieces[index] as Buffer, () => setImmediate(() => send(index + 1)));
    };
    send(0);
  });
}

const post = (path: string, body: string, extra = '') =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${extra}\r\n${body}`,
  );

describe('the head of a plain request', () => {
  it('is a POST with a host, a length and headers that change nothing', () => {
    const head = parsePlainHead(
      'POST /a?b=c HTTP/1.1\r\nHost: x:1\r\ncontent-length:12\r\nX-A: b c\r\nConnection: Keep-Alive',
    );
    expect(head?.url).toBe('/a?b=c');
    expect(head?.contentLength).toBe(12);
    expect({ ...head?.headers }).toEqual({
      host: 'x:1',
      'content-length': '12',
      'x-a': 'b c',
      connection: 'Keep-Alive',
    });
  });

  const plain = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1';
  it.each([
    plain.replace('POST', 'GET'),
    plain.replace('POST', 'post'),
    plain.replace('HTTP/1.1', 'HTTP/1.0'),
    plain.replace(' / ', ' http://x/ '),
    plain.replace(' / ', '  / '),
    plain.replace(' / ', ' /a b '),
    plain.replace('\r\nhost: x', ''),
    plain.replace('\r\ncontent-length: 1', ''),
    plain.replace('length: 1', 'length: +1'),
    plain.replace('length: 1', 'length: 01'),
    plain.replace('length: 1', 'length: 1, 1'),
    plain.replace('length: 1', 'length: 1 1'),
    plain.replace('length: 1', 'length: 0x1'),
    plain.replace('length: 1', 'length: 9999999999'),
    plain.replace('length: 1', 'length : 1'),
    plain.replace('length: 1', 'length:  1'),
    plain.replace('length: 1', 'length: 1 '),
    `${plain}\r\ncontent-length: 1`,
    `${plain}\r\nHost: y`,
    `${plain}\r\ntransfer-encoding: chunked`,
    `${plain}\r\nTransfer-Encoding: identity`,
    `${plain}\r\nexpect: 100-continue`,
    `${plain}\r\nupgrade: h2c`,
    `${plain}\r\ncontent-encoding: gzip`,
    `${plain}\r\nconnection: close`,
    `${plain}\r\nconnection: keep-alive, x`,
    `${plain}\r\n folded: 1`,
    `${plain}\r\nx:`,
    `${plain}\r\nx: a\tb`,
    `${plain}\r\nx: a\nb: c`,
    `${plain}\r\nx: a\rb`,
    `${plain}\r\nx: \u00e9`,
    `${plain}\r\nx\u0000: a`,
    `${plain}\r\n: a`,
    `${plain}\r\n`,
  ])('is not %j', (text) => {
    expect(parsePlainHead(text)).toBeUndefined();
  });
});

describe('the plain lane', () => {
  it('answers plain requests itself, one after the other, however they are cut', async () => {
    const before = { ...seen };
    const whole = Buffer.concat([
      post('/one', 'a'),
      post('/one', 'b'),
      post('/two', 'é'.repeat(50)),
      post('/three', ''),
    ]);
    const expected = ['POST /one a', 'POST /one b', `POST /two ${'é'.repeat(50)}`, 'POST /three '];
    expect(await exchange([whole], 4)).toEqual(expected);
    for (const [index, answer] of expected.entries()) {
      const request = [
        post('/one', 'a'),
        post('/one', 'b'),
        post('/two', 'é'.repeat(50)),
        post('/three', ''),
      ][index] as Buffer;
      expect(await exchange([request], 1)).toEqual([answer]);
      // A body may come in pieces; a head that does is not plain.
      const at = request.indexOf('\r\n\r\n') + 4;
      if (at < request.length)
        expect(await exchange([request.subarray(0, at), request.subarray(at)], 1)).toEqual([answer]);
    }
    expect(seen.plain).toBeGreaterThan(before.plain + 8);
  });

  it.each([
    ['another method', Buffer.from('GET /get HTTP/1.1\r\nHost: x\r\n\r\n'), 'GET /get '],
    [
      'chunks',
      Buffer.from('POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
      'POST /c abc',
    ],
    ['a large body', post('/large', 'z'.repeat(5000)), `POST /large ${'z'.repeat(5000)}`],
    ['a large head', post('/head', 'h', `X-Long: ${'y'.repeat(5000)}\r\n`), 'POST /head h'],
  ])('hands the connection to node:http at %s, with every byte', async (_name, unusual, answer) => {
    const before = { ...seen };
    expect(await exchange([post('/before', '1'), unusual], 2)).toEqual(['POST /before 1', answer]);
    expect(await exchange([Buffer.concat([post('/before', '1'), unusual, post('/after', '2')])], 3)).toEqual([
      'POST /before 1',
      answer,
      'POST /after 2',
    ]);
    expect(seen).toEqual({ plain: before.plain + 2, other: before.other + 3 });
  });

  it('gives the answers that node:http alone would give, for any requests cut anywhere', async () => {
    const random = seeded(8);
    const below = (limit: number) => Math.floor(random() * limit);
    for (let round = 0; round < 150; round++) {
      const requests = Array.from({ length: 1 + below(5) }, (_, index) => {
        const body = 'x'.repeat(below(random() < 0.1 ? 4000 : 60));
        const kind = below(10);
        if (kind === 0)
          return [Buffer.from(`GET /${index} HTTP/1.1\r\nHost: x\r\n\r\n`), `GET /${index} `] as const;
        if (kind === 1) {
          const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`;
          const text = `POST /${index} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
          return [Buffer.from(text), `POST /${index} ${body}`] as const;
        }
        return [post(`/${index}`, body), `POST /${index} ${body}`] as const;
      });
      const bytes = Buffer.concat(requests.map(([request]) => request));
      const cuts = Array.from({ length: below(6) }, () => below(bytes.length)).sort((a, b) => a - b);
      const pieces = [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length));
      expect(await exchange(pieces, requests.length)).toEqual(requests.map(([, answer]) => answer));
    }
  });

  it('answers each of many connections with its own body, though all are read into the same memory', async () => {
    const connections = Array.from({ length: 20 }, async (_, connection) => {
      const bodies = Array.from({ length: 30 }, (_, index) => `${connection}.${index} `.repeat(100));
      const answers = await exchange(
        bodies.map((body) => post('/own', body)),
        bodies.length,
      );
      expect(answers).toEqual(bodies.map((body) => `POST /own ${body}`));
    });
    await Promise.all(connections);
  });

  it('holds a body for who sent it, once that is known', async () => {
    const room = 4_000_000;
    const body = 'b'.repeat(1500);
    const seen: boolean[] = [];
    const hogHas = (bytes: number) => {
      try {
        limits.hold(room - bytes, bytes, 'hog');
        limits.release(room - bytes, 'hog');
        return false;
      } catch {
        return true;
      }
    };
    onPlain = (connection) => {
      seen.push(hogHas(2 * body.length));
      connection.claim(body.length, 'hog');
      seen.push(hogHas(2 * body.length));
    };
    await exchange([post('/claim', body)], 1);
    onPlain = () => {};
    expect(seen).toEqual([false, true]);
  });

  it('holds a large answer for who asked, until it is with the client', async () => {
    const mib = 1024 * 1024;
    const isHeld = () => {
      try {
        limits.holdAnswer(300 * mib, 'other');
        limits.releaseAnswer(300 * mib, 'other');
        return false;
      } catch {
        return true;
      }
    };
    onPlain = (connection) => connection.holdAnswer(20 * mib, 'hog');
    for (const isRead of [true, false]) {
      const socket = connect((port.address() as AddressInfo).port, '127.0.0.1').pause();
      socket.write(post('/large-answer', ''));
      await until(isHeld, 'the answer is on its way');
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(isHeld()).toBe(true);
      if (isRead) socket.resume();
      else socket.destroy();
      await until(() => !isHeld(), 'the answer is gone');
      socket.destroy();
    }
    onPlain = () => {};
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['another request', post('/behind', '')],
  ])(
    'lets a slow reader have all of a last answer with %s behind it, where idle connections are closed',
    async (_name, behind) => {
      const before = seen.plain;
      const socket = connect({
        port: (port.address() as AddressInfo).port,
        host: '127.0.0.1',
        allowHalfOpen: true,
      }).pause();
      socket.write(Buffer.concat([post('/large-answer/last', ''), behind]));
      await until(() => seen.plain > before, 'the request is there');
      const closing = setInterval(() => lane.closeIdle(), 5);
      await new Promise((resolve) => setTimeout(resolve, 200));
      let received = 0;
      let tail: Buffer = Buffer.alloc(0);
      for await (const part of socket as AsyncIterable<Buffer>) {
        received += part.length;
        tail = part;
      }
      expect(received).toBeGreaterThan(20_000_000);
      expect(tail.toString('latin1').endsWith('zz')).toBe(true);
      expect(seen.plain).toBe(before + 1);
      clearInterval(closing);
      socket.destroy();
    },
    20_000,
  );

  it('holds nothing once connections are gone, also those that went away in the middle', async () => {
    for (const part of ['POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf', 'POST', '']) {
      await new Promise<void>((resolve) => {
        const socket = connect((port.address() as AddressInfo).port, '127.0.0.1', () => {
          socket.write(part, () => setImmediate(() => socket.destroy()));
        });
        socket.on('close', () => resolve());
      });
    }
    const until = Date.now() + 10_000;
    const isFree = () => {
      try {
        // What is more than all that there is fits where nothing is held.
        limits.hold(6_000_000, 0, 'all');
        limits.release(6_000_000, 'all');
        return true;
      } catch {
        return false;
      }
    };
    while (!isFree() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isFree()).toBe(true);
  });
});
