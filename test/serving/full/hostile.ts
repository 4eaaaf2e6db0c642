import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { readServerState } from '../../../serving/contract/index.ts';
import { scaledSum } from '../support/models.ts';
import { faultsOf, OpenLoop, sumsTarget } from '../support/open-loop.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { residentMiB } from './soak.ts';

export interface Hostility {
  readonly connections: number;
  /** What others saw meanwhile. */
  readonly answers: number;
  readonly faults: Record<string, number>;
  /** Longest time that one of the others waited, ms. */
  readonly worstMs: number;
  /** By how much the memory of the worker grew at most, MiB. */
  readonly grewMiB: number;
  readonly note: string;
}

const requestsPerSecond = 50;

/** Opens connections a hundred at a time; answers those that stand. */
async function open(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let from = 0; from < count; from += 100) {
    const some = Array.from({ length: Math.min(100, count - from) }, () => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      return socket;
    });
    await Promise.all(some.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    sockets.push(...some);
  }
  return sockets;
}

/** Runs `attack` on a server with one worker while others ask it; all must be as if nothing were. */
async function whileOthersAsk(
  connections: number,
  attack: (server: TestServer) => Promise<string>,
): Promise<Hostility> {
  const server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 1 });
  const load = new OpenLoop(sumsTarget(server.rest, [2]), requestsPerSecond, 8);
  let grewMiB = 0;
  try {
    const pid = (await readServerState(server.settings.stateDir))?.workers[0]?.pid as number;
    const before = residentMiB(pid);
    const look = setInterval(() => {
      grewMiB = Math.max(grewMiB, residentMiB(pid) - before);
    }, 100);
    const note = await attack(server).finally(() => clearInterval(look));
    const outcomes = await load.stop();
    const worstMs = Math.max(...outcomes.map(({ dueMs, endedMs }) => endedMs - dueMs));
    return { connections, answers: outcomes.length, faults: faultsOf(outcomes), worstMs, grewMiB, note };
  } finally {
    await load.stop();
    await server.stop();
  }
}

/** Connections that send a byte of a head now and then, and bodies that never end. */
export const slowClients = (connections: number, seconds: number) =>
  whileOthersAsk(connections, async ({ state }) => {
    const sockets = await open(state.rest.port, connections);
    let ended = 0;
    for (const [index, socket] of sockets.entries()) {
      socket.on('close', () => (ended += 1));
      socket.on('data', () => {});
      const head = 'POST /v1/models/sums:predict HTTP/1.1\r\nHost: localhost\r\n';
      socket.write(index % 2 === 0 ? head : `${head}Content-Length: 1000\r\n\r\n{`);
    }
    for (let second = 0; second < seconds; second++) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      for (const [index, socket] of sockets.entries())
        if (socket.writable) socket.write(index % 2 === 0 ? 'x-slow: 1\r\n' : ' ');
    }
    for (const socket of sockets) socket.destroy();
    return `${ended} ended by the server within ${seconds} s`;
  });

/** Bodies of so many bytes, said or not said before; each must be refused long before it is all there. */
export const largeBodies = (connections: number, bytes: number) =>
  whileOthersAsk(connections, async ({ state }) => {
    const part = Buffer.alloc(64 * 1024, 32);
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')]);
    const send = (says: boolean) =>
      new Promise<number>((resolve) => {
        const socket = connect(state.rest.port, '127.0.0.1');
        const length = says ? `Content-Length: ${bytes}` : 'Transfer-Encoding: chunked';
        let status = 0;
        let sent = 0;
        socket.on('data', (data) => {
          status ||= Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString('latin1'))?.[1] ?? 0);
        });
        socket.on('error', () => {});
        socket.on('close', () => resolve(status));
        socket.on('end', () => socket.destroy());
        const more = () => {
          while (!socket.destroyed && sent < bytes) {
            sent += part.length;
            if (!socket.write(says ? part : chunk)) {
              socket.once('drain', more);
              return;
            }
          }
        };
        socket.write(`POST /v1/models/sums:predict HTTP/1.1\r\nHost: localhost\r\n${length}\r\n\r\n`, more);
      });
    const statuses: number[] = [];
    for (let index = 0; index < connections; index++) statuses.push(await send(index % 2 === 0));
    // 0: the connection ended before the refusal could be read, as TCP does where much is on its way.
    const odd = statuses.filter((status) => status !== 413 && status !== 0);
    if (odd.length > 0 || !statuses.includes(413)) throw new Error(`large bodies were answered ${statuses}`);
    return `${statuses.filter((status) => status === 413).length} read their 413`;
  });

/** Connections that say nothing, and one more client. */
export const idleConnections = (connections: number, seconds: number) =>
  whileOthersAsk(connections, async (server) => {
    const sockets = await open(server.state.rest.port, connections);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const { status } = await ask(`${server.rest}/v1/models/sums:predict`, { instances: [[1, 2]] });
    if (status !== 200) throw new Error(`a new client got ${status}`);
    const agent = new Agent({ keepAlive: false });
    const health = await new Promise<number>((resolve, reject) =>
      get(`http://127.0.0.1:${server.state.management.port}/readyz`, { agent }, (response) =>
        resolve(response.resume().statusCode ?? 0),
      ).on('error', reject),
    );
    if (health !== 200) throw new Error(`readiness says ${health}`);
    const standing = sockets.filter((socket) => !socket.destroyed).length;
    for (const socket of sockets) socket.destroy();
    return `${standing} still open after ${seconds} s`;
  });

/** @throws where others were harmed */
export function checkHostility({ faults, grewMiB, note }: Hostility, maxGrowthMiB: number): void {
  if (Object.keys(faults).length > 0) throw new Error(`others got ${JSON.stringify(faults)} (${note})`);
  if (grewMiB > maxGrowthMiB) throw new Error(`memory grew by ${grewMiB} MiB (${note})`);
}
