import { readdirSync } from 'node:fs';
import { get, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectionLimit, openFilesLimit } from '../../../serving/connections.ts';
import { until } from '../../support/load.ts';
import { metricOf } from '../support/metrics.ts';
import { classifier, writeFixture } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('a process', () => {
  it('has as many connections as the files that it may open leave room for', () => {
    expect([64, 512, 1024, 20_000, Number.POSITIVE_INFINITY].map(connectionLimit)).toEqual([
      32, 256, 768, 16_384, 16_384,
    ]);
  });

  it('knows how many files it may open', () => {
    expect(openFilesLimit()).toBeGreaterThan(100);
  });
});

const openFiles = 200;
/** Connections that an address has then at most: four fifths of half of them. */
const most = 80;
/** Another address of this machine, which only Linux has without being told. */
const elsewhere = '127.0.0.2';
const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('connections that nobody uses, more than the server may open files for', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ classifier: { 1: classifier } }, {}, {}, openFiles);
  });
  afterAll(() => server?.stop());

  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** Opens one more, which stays until the test is over; resolves when it is closed, with false where it is not. */
  const isClosed = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1').resume();
      sockets.push(socket.on('error', () => {}).on('close', () => resolve(true)));
      setTimeout(() => resolve(false), 3_000).unref();
    });

  /**
   * Opens many from one address, until none of a hundred stays open; answers how many do. Those that the test itself has by `fetch` count
   * too while they are there, and a worker that makes way for another one's takes its own with it.
   */
  async function hoard(port: number): Promise<number> {
    let mayOpen = true;
    for (let count = 3 * openFiles; mayOpen; count = 100) {
      const closed = await Promise.all(Array.from({ length: count }, () => isClosed(port)));
      mayOpen = closed.includes(false);
    }
    return sockets.filter(({ closed }) => !closed).length;
  }

  const predictFrom = (localAddress: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const url = `${server.rest}/v1/models/classifier:predict`;
      request(url, { method: 'POST', localAddress, agent: false }, (response) =>
        resolve(response.resume().statusCode as number),
      )
        .on('error', reject)
        .end('{"instances": [[1, 2, 3, 4]]}');
    });

  /** Settings come from a server of HTTP/2 that has a place for this connection. */
  const isTakenFrom = (localAddress: string): Promise<boolean> =>
    new Promise((resolve) => {
      const session = connectHttp2(`http://${server.grpc}`, {
        createConnection: () => connect({ port: server.state.grpc.port, host: '127.0.0.1', localAddress }),
      });
      session
        .on('remoteSettings', () => resolve(true))
        .on('error', () => {})
        .on('close', () => resolve(false));
      setTimeout(() => session.destroy(), 5_000).unref();
    });

  const readyFrom = (localAddress: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const url = `http://127.0.0.1:${server.state.management.port}/readyz`;
      get(url, { localAddress, agent: false }, (response) =>
        resolve(response.resume().statusCode as number),
      ).on('error', reject);
    });

  it('over REST leave others room, and new versions', async () => {
    const left = await hoard(server.state.rest.port);
    expect([left <= most, left > most - 10]).toEqual([true, true]);
    await expect(predictFrom('127.0.0.1')).rejects.toThrow();
    expect(await predictFrom(elsewhere)).toBe(200);
    expect(await isTakenFrom(elsewhere)).toBe(true);
    expect(await readyFrom('127.0.0.1')).toBe(200);
    await writeFixture(`${dirname(server.settings.stateDir)}/models`, 'classifier', 2, classifier);
    server.process.kill('SIGHUP');
    await until(async () => {
      const { json } = await ask(`${server.rest}/v1/models/classifier`).catch(() => ({ json: undefined }));
      return JSON.stringify(json ?? '').includes('"2"');
    }, 'the new version serves');
  });

  it('over gRPC leave others room', async () => {
    const left = await hoard(server.state.grpc.port);
    expect([left <= most, left > most - 10]).toEqual([true, true]);
    expect(await isTakenFrom('127.0.0.1')).toBe(false);
    expect(await isTakenFrom(elsewhere)).toBe(true);
    expect(await predictFrom(elsewhere)).toBe(200);
  });

  it('to the management port leave others room', async () => {
    expect(await hoard(server.state.management.port)).toBe(most / 4);
    await expect(readyFrom('127.0.0.1')).rejects.toThrow();
    expect(await readyFrom(elsewhere)).toBe(200);
    expect(await predictFrom('127.0.0.1')).toBe(200);
  });

  it('are counted where they are refused, and are nothing once they are gone', async () => {
    const files = () => readdirSync(`/proc/${server.state.pid}/fd`).length;
    await until(() => files() < 60, 'the connections are gone');
    expect(await predictFrom('127.0.0.1')).toBe(200);
    expect(await isTakenFrom('127.0.0.1')).toBe(true);
    expect(await metricOf(server, 'modelmile_connections_refused_total')).toBeGreaterThan(1000);
    expect(await metricOf(server, 'modelmile_worker_crashes_total')).toBe(0);
  });
});
