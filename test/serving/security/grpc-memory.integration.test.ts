import { type ClientHttp2Session, type ClientHttp2Stream, connect, type Settings } from 'node:http2';
import { connect as connectPlain } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readServerState } from '../../../serving/contract/index.ts';
import {
  GRPCInferenceService,
  ModelInferRequestSchema,
} from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import { growthOf } from '../support/growth.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { metricOf } from '../support/metrics.ts';
import { anyWidth, classifier } from '../support/models.ts';
import { startServer, type TestServer } from '../support/server.ts';

const mib = 1024 * 1024;
const maxBodyBytes = 8 * mib;
const exhausted = 8;

let server: TestServer;
let pid: number;
beforeAll(async () => {
  server = await startServer({ classifier: { 1: classifier }, wide: { 1: anyWidth } }, { maxBodyBytes });
  pid = (await readServerState(server.settings.stateDir))?.workers[0]?.pid as number;
});
afterAll(() => server?.stop());

const sessions: ClientHttp2Session[] = [];
/** A connection whose own side bounds nothing. */
function session(settings: Settings = {}): ClientHttp2Session {
  const made = connect(`http://${server.grpc}`, { maxSessionMemory: 2_000, settings });
  made.on('error', () => {});
  sessions.push(made);
  return made;
}

const request = (columns: number) =>
  toBinary(
    ModelInferRequestSchema,
    create(ModelInferRequestSchema, {
      modelName: 'wide',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, BigInt(columns)] }],
      rawInputContents: [new Uint8Array(4 * columns)],
    }),
  );

/** A message with its prefix. */
function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A frame of HTTP/2 (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers of a call, each as a literal (RFC 7541, 6.2.2). */
const headersOf = (method: string): Buffer =>
  Buffer.concat(
    Object.entries(headers(method)).map(([name, value]) => {
      const [key, text] = [Buffer.from(name), Buffer.from(value)];
      return Buffer.concat([Buffer.of(0, key.length), key, Buffer.of(text.length), text]);
    }),
  );

const headers = (method: string): Record<string, string> => ({
  ':method': 'POST',
  ':scheme': 'http',
  ':authority': server.grpc,
  ':path': `/inference.GRPCInferenceService/${method}`,
  'content-type': 'application/grpc',
  te: 'trailers',
});

/** A call whose bytes the test writes itself. */
function open(on: ClientHttp2Session, method: string, more: Record<string, string> = {}): ClientHttp2Stream {
  const stream = on.request({ ...headers(method), ...more });
  stream.on('error', () => {});
  return stream;
}

/** Status and message of a call, and its hint when to try again. */
function statusOf(
  stream: ClientHttp2Stream,
): Promise<readonly [code: number, message: string, retry?: string]> {
  return new Promise((resolve) => {
    let found: readonly [number, string, string?] = [-1, 'no status'];
    const look = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] === undefined) return;
      const message = decodeURI(String(headers['grpc-message'] ?? ''));
      const retry = headers['retry-after'] as string | undefined;
      found =
        retry === undefined
          ? [Number(headers['grpc-status']), message]
          : [Number(headers['grpc-status']), message, retry];
    };
    stream
      .on('response', look)
      .on('trailers', look)
      .on('close', () => resolve(found))
      .resume();
  });
}

/** A small call of somebody else, on a connection of its own. */
async function small(): Promise<void> {
  const other = new GrpcClient(GRPCInferenceService, server.grpc);
  try {
    const inputs = [
      { name: 'x', datatype: 'FP32', shape: [1n, 4n], contents: { fp32Contents: [1, 2, 3, 4] } },
    ];
    await other.call('modelInfer', { modelName: 'classifier', inputs });
  } finally {
    other.close();
  }
}

async function smallMeanwhile(attack: Promise<unknown>): Promise<number> {
  let isOver = false;
  const over = attack.finally(() => {
    isOver = true;
  });
  let answered = 0;
  while (!isOver) {
    await small();
    answered += 1;
  }
  await over;
  return answered;
}

/** There is room for everything again: what was held is let go. */
afterEach(async () => {
  for (const each of sessions.splice(0)) each.destroy();
  const client = new GrpcClient(GRPCInferenceService, server.grpc);
  const largest = request(maxBodyBytes / 4 - 100);
  for (let time = 0; time < 50; time++) {
    const answers = await Promise.allSettled(
      Array.from({ length: 2 }, () => client.raw('modelInfer', largest)),
    );
    if (answers.every(({ status }) => status === 'fulfilled')) {
      client.close();
      return;
    }
    await sleep(100);
  }
  client.close();
  throw new Error('what the calls held is not let go');
});

describe('gRPC callers together hold no more than there is room for', () => {
  it('with answers that nobody reads', async () => {
    const grown = await growthOf(pid, async () => {
      const body = framed(request(maxBodyBytes / 4 - 100));
      for (let time = 0; time < 30; time++) {
        const one = session({ initialWindowSize: 0 });
        for (let call = 0; call < 3; call++) open(one, 'ModelInfer').end(body);
        await sleep(100);
      }
    });
    expect(grown).toBeLessThan(350);
  });

  it('with many large calls at a time, which are answered or told when to come again, while others are answered', async () => {
    const clients = Array.from({ length: 4 }, () => new GrpcClient(GRPCInferenceService, server.grpc));
    const large = request(maxBodyBytes / 4 - 100);
    const codes = new Map<number, number>();
    let refusal: ServiceError | undefined;
    let answered = 0;
    const grown = await growthOf(pid, async () => {
      const flood = Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          (clients[index % 4] as (typeof clients)[0]).raw('modelInfer', large).then(
            () => codes.set(0, (codes.get(0) ?? 0) + 1),
            (error: ServiceError) => {
              refusal = error;
              codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
            },
          ),
        ),
      );
      answered = await smallMeanwhile(flood);
    });
    for (const client of clients) client.close();
    expect([...codes.keys()].sort()).toEqual([0, exhausted]);
    expect(refusal?.details).toContain('of the same one wait already');
    expect(refusal?.metadata.get('retry-after')).toEqual(['1']);
    expect(answered).toBeGreaterThan(3);
    // 100 of them are 800 MiB; the room is for 4, and each is there once as it came and once as its answer.
    expect(grown).toBeLessThan(400);
  });

  it('with messages that never end', async () => {
    const statuses: ReturnType<typeof statusOf>[] = [];
    let answered = 0;
    const grown = await growthOf(pid, async () => {
      for (let time = 0; time < 4; time++) {
        const one = session();
        for (let call = 0; call < 30; call++) {
          const stream = open(one, 'ModelInfer');
          statuses.push(statusOf(stream));
          stream.write(framed(request(maxBodyBytes / 4 - 100)).subarray(0, -1));
        }
      }
      answered = await smallMeanwhile(sleep(3_000));
    });
    expect(answered).toBeGreaterThan(10);
    expect(grown).toBeLessThan(200);
    for (const each of sessions) each.destroy();
    const found = (await Promise.all(statuses)).filter(([code]) => code !== -1);
    expect(found.length).toBeGreaterThan(100);
    for (const each of found) expect(each).toEqual([exhausted, expect.stringContaining('Try again'), '1']);
  });

  it('with messages that come a byte at a time', async () => {
    const socket = connectPlain(server.state.grpc.port, '127.0.0.1').resume();
    const write = (bytes: Buffer) => new Promise((resolve) => socket.write(bytes, resolve));
    const grown = await growthOf(pid, async () => {
      await write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
      await write(Buffer.concat([frame(4, 0, 0), frame(4, 1, 0), frame(1, 4, 1, headersOf('ModelInfer'))]));
      await write(frame(0, 0, 1, framed(new Uint8Array(maxBodyBytes)).subarray(0, 5)));
      const bytes = Buffer.concat(Array.from({ length: 20_000 }, () => frame(0, 0, 1, Buffer.of(0))));
      // Never more than the window.
      for (let time = 0; time < 75; time++) {
        await write(bytes);
        await small();
      }
      expect(socket.destroyed).toBe(false);
    });
    socket.destroy();
    expect(grown).toBeLessThan(100);
  });

  it('with messages that unpack to many times their size', async () => {
    const bomb = framed(gzipSync(new Uint8Array(maxBodyBytes)), 1);
    expect(bomb.length).toBeLessThan(20_000);
    const codes: number[] = [];
    const grown = await growthOf(pid, async () => {
      const one = session();
      await Promise.all(
        Array.from({ length: 200 }, async () => {
          const stream = open(one, 'ModelInfer', { 'grpc-encoding': 'gzip' });
          stream.end(bomb);
          codes.push((await statusOf(stream))[0]);
        }),
      );
    });
    expect(new Set(codes)).toEqual(new Set([3, exhausted]));
    expect(grown).toBeLessThan(400);
    const beyond = open(session(), 'ModelInfer', { 'grpc-encoding': 'gzip' });
    beyond.end(framed(gzipSync(new Uint8Array(maxBodyBytes + 1)), 1));
    expect(await statusOf(beyond)).toEqual([exhausted, expect.stringContaining(String(maxBodyBytes))]);
  });

  it('with a stream whose answers nobody reads', async () => {
    const one = session({ initialWindowSize: 0 });
    const stream = open(one, 'ModelStreamInfer');
    const body = framed(request(50_000));
    let isFull = false;
    const grown = await growthOf(pid, async () => {
      for (let time = 0; time < 5_000 && !isFull; time++) {
        const isWritten = new Promise((resolve) => stream.write(body, () => resolve(true)));
        isFull = (await Promise.race([isWritten, sleep(1_000)])) !== true;
      }
    });
    expect(isFull).toBe(true);
    expect(grown).toBeLessThan(200);
  });
});

it('a stream that sends on without waiting is answered whole, however much it sends', async () => {
  const client = new Client(server.grpc, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  });
  const same = (value: Uint8Array) => Buffer.from(value);
  const stream: ClientDuplexStream<Uint8Array, Buffer> = client.makeBidiStreamRequest(
    '/inference.GRPCInferenceService/ModelStreamInfer',
    same,
    same as never,
    new Metadata(),
  );
  const body = request(mib / 4);
  let answers = 0;
  stream.on('data', (answer: Buffer) => {
    if (answer.length > mib) answers += 1;
  });
  const ended = new Promise<{ code: number }>((resolve) => stream.on('status', resolve));
  for (let time = 0; time < 100; time++) stream.write(body);
  stream.end();
  expect(await ended).toMatchObject({ code: 0 });
  client.close();
  expect(answers).toBe(100);
});

it('a packed message is answered like any other, and one that cannot be unpacked is told so', async () => {
  for (const [encoding, packed, expected] of [
    ['gzip', gzipSync(request(4)), [0, '']],
    ['gzip', Buffer.from('no gzip'), [3, expect.stringContaining('The message is not gzip')]],
    ['br', Buffer.from('?'), [12, expect.stringContaining('gzip and deflate')]],
  ] as const) {
    const stream = open(session(), 'ModelInfer', { 'grpc-encoding': encoding });
    const status = statusOf(stream);
    stream.end(framed(packed, 1));
    const [code, message] = await status;
    expect([code, code === 0 ? '' : message]).toEqual(expected);
  }
});

it('all that ends no worker', async () => {
  expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(0);
  expect((await readServerState(server.settings.stateDir))?.workers[0]?.pid).toBe(pid);
});
