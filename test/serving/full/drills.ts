import { applySettings, readServerState } from '../../../serving/contract/index.ts';
import { until } from '../../support/load.ts';
import { scaledSum } from '../support/models.ts';
import { faultsOf, OpenLoop, type Outcome, sumsTarget } from '../support/open-loop.ts';
import { restartServer, startServer } from '../support/server.ts';

/** What an open loop saw; latencies in milliseconds from when a request was due. */
export interface Drill {
  readonly times: number;
  readonly answers: number;
  readonly faults: Record<string, number>;
  readonly calmP99Ms: number;
  readonly p99Ms: number;
  /** Answers that took more than twice the calm p99 of the same server. */
  readonly slow: number;
}

const requestsPerSecond = 150;
const connections = 8;
const applyTimeoutMs = 60_000;

const msOf = ({ dueMs, endedMs }: Outcome) => endedMs - dueMs;

function p99(outcomes: readonly Outcome[]): number {
  const sorted = outcomes.map(msOf).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
}

/** What was seen where no calm comes before it. */
const uncompared = (times: number, outcomes: readonly Outcome[]): Drill => ({
  times,
  answers: outcomes.length,
  faults: faultsOf(outcomes),
  calmP99Ms: 0,
  p99Ms: p99(outcomes),
  slow: 0,
});

/** So many changes between two versions under load: every answer must come, and be one of the two. */
export async function reloads(times: number): Promise<Drill> {
  const specific = (version: number) => [{ name: 'sums', versionPolicy: { specific: [version] } }];
  const server = await startServer(
    { sums: { 1: scaledSum(2), 2: scaledSum(3) } },
    { workers: 2, models: specific(1) },
  );
  try {
    const load = new OpenLoop(sumsTarget(server.rest, [2, 3]), requestsPerSecond, connections);
    // The first requests find cold code; then some seconds of nothing but load, to compare with.
    await until(() => load.outcomes.length > 3 * requestsPerSecond, 'the load runs');
    const calmFromMs = performance.now();
    await until(() => load.outcomes.length > 10 * requestsPerSecond, 'the load runs calmly');
    const fromMs = performance.now();
    for (let time = 0; time < times; time++) {
      const models = specific(2 - (time % 2));
      await applySettings(server.settings.stateDir, { ...server.settings, models }, applyTimeoutMs);
    }
    const outcomes = await load.stop();
    const during = outcomes.filter(({ dueMs }) => dueMs >= fromMs);
    const calmP99Ms = p99(outcomes.filter(({ dueMs }) => dueMs >= calmFromMs && dueMs < fromMs));
    return {
      times,
      answers: during.length,
      faults: faultsOf(outcomes),
      calmP99Ms,
      p99Ms: p99(during),
      slow: during.filter((outcome) => msOf(outcome) > 2 * calmP99Ms).length,
    };
  } finally {
    await server.stop();
  }
}

/**
 * SIGTERM under load, so many times: what the server had taken must be answered, with its exit code 0 after it. A request that finds
 * the port closed was never taken: a load balancer, told by readiness, would have sent it elsewhere.
 */
export async function drains(times: number): Promise<Drill> {
  let server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2, lameDuckMs: 300 });
  const outcomes: Outcome[] = [];
  try {
    for (let time = 0; time < times; time++) {
      if (time > 0) server = await restartServer(server);
      const load = new OpenLoop(sumsTarget(server.rest, [2]), requestsPerSecond, connections);
      await until(() => load.outcomes.length > requestsPerSecond, 'the load runs');
      server.process.kill('SIGTERM');
      const code = await server.ended;
      if (code !== 0) throw new Error(`a drained server ended with ${code}: ${server.log()}`);
      outcomes.push(...(await load.stop()).filter(({ fault }) => fault !== 'ECONNREFUSED'));
    }
  } finally {
    await server.stop();
  }
  return uncompared(times, outcomes);
}

/** A worker is killed every second: only what it had in flight may be lost, at most one request a connection each time. */
export async function kills(times: number): Promise<Drill> {
  const server = await startServer({ sums: { 1: scaledSum(2) } }, { workers: 2 });
  try {
    const load = new OpenLoop(sumsTarget(server.rest, [2]), requestsPerSecond, connections);
    await until(() => load.outcomes.length > 3 * requestsPerSecond, 'the load runs');
    let killed = 0;
    while (killed < times) {
      const workers = (await readServerState(server.settings.stateDir))?.workers.filter(({ ready }) => ready);
      const victim = workers?.[killed % workers.length];
      // Where the machine is too slow for a new worker each second, the last one is spared.
      if (victim !== undefined && (workers?.length ?? 0) > 1) {
        process.kill(victim.pid, 'SIGKILL');
        killed += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    const outcomes = await load.stop();
    return uncompared(times, outcomes);
  } finally {
    await server.stop();
  }
}

/** @throws where a kill cost more than it may */
export function checkKills({ times, faults }: Drill): number {
  const wrong = Object.keys(faults).filter(
    (fault) => !fault.startsWith('UND_ERR') && !fault.startsWith('ECONN'),
  );
  if (wrong.length > 0) throw new Error(`kills: ${wrong.join('; ')}`);
  const lost = Object.values(faults).reduce((sum, each) => sum + each, 0);
  if (lost > times * connections) throw new Error(`kills: ${lost} requests lost in ${times}`);
  return lost;
}
