import { availableParallelism } from 'node:os';
import { measure } from './load.ts';
import type { LoadReport } from './load-generator.ts';
import { keepOn } from './process-cpu.ts';
import { type Server, type ServerName, servers } from './servers.ts';
import { type Place, type Started, start } from './started.ts';

/** Share of its own capacity at which a server's latency is looked at. */
const openLoopShare = 0.3;
const connections = 32;

/** Over several rounds: the middle one's, and the best. */
export interface Latency {
  readonly server: ServerName;
  /** Requests a second, with Poisson arrivals. */
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly bestP99Ms: number;
  /** Share of the answers that these leave out, since the generator had no core while it waited for them. */
  readonly leftOut: number;
}

/** Another server, and modelmile in turns with it. */
export interface Beside {
  readonly other: Latency;
  readonly ours: Latency;
}

/** A server and what it can do. */
interface Able {
  readonly server: ServerName;
  readonly requestsPerSecond: number;
}

export const told = ({ p99Ms, bestP99Ms, rate }: Latency): string =>
  `${p99Ms.toFixed(2)} ms (best ${bestP99Ms.toFixed(2)}) at ${Math.round(rate)}/s`;

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

function latencyOf(server: ServerName, rate: number, rounds: readonly LoadReport[]): Latency {
  return {
    server,
    rate,
    p50Ms: middle(rounds.map(({ p50 }) => p50)),
    p99Ms: middle(rounds.map(({ p99 }) => p99)),
    bestP99Ms: Math.min(...rounds.map(({ p99 }) => p99)),
    leftOut: middle(rounds.map(({ leftOut }) => leftOut)),
  };
}

/**
 * Two servers at the same share of what each can do, in turns, JSON, one worker: what else the machine does, which makes most of a tail
 * on few cores, meets both alike. Nothing else is up. The generator has the last core for itself, and the servers have the others: it
 * never sleeps, and a server that is woken on its core would wait behind it while another core is free, as callers elsewhere have none do.
 */
export async function measureBeside(
  other: Able,
  ours: Able,
  place: Place,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Beside> {
  const pair = [other, ours] as const;
  const contenders = pair.map(({ server: name }) => ({ name, workers: 1, connections: [connections] }));
  const { started } = await start(contenders, place);
  const seen: [LoadReport[], LoadReport[]] = [[], []];
  const rateOf = ({ requestsPerSecond }: Able) => openLoopShare * requestsPerSecond;
  try {
    if (started.length < pair.length) throw new Error(`${other.server} and modelmile do not start together`);
    const last = availableParallelism() - 1;
    if (last < 1) throw new Error('the generator and the servers need a core each');
    for (const { running } of started) keepOn(last === 1 ? '0' : `0-${last - 1}`, running.pid);
    for (let round = 0; round < rounds; round++) {
      for (const [index, able] of pair.entries()) {
        const { running } = started[index] as Started;
        const order = {
          port: running.port,
          serverPid: running.pid,
          request: (servers[able.server] as Server).json?.(place.model) as string,
          connections,
          warmUpMs: Math.max(500, seconds * 250),
          durationMs: seconds * 1000,
          rate: rateOf(able),
          seed: 1,
        };
        seen[index as 0 | 1].push(await measure(order, String(last)));
      }
    }
  } finally {
    for (const { running } of started) await running.stop();
  }
  return {
    other: latencyOf(other.server, rateOf(other), seen[0]),
    ours: latencyOf(ours.server, rateOf(ours), seen[1]),
  };
}
