import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { ServedModel, ServingSettings } from '../../../serving/contract/index.ts';
import { createLog } from '../../../serving/log.ts';
import { Metrics } from '../../../serving/monitoring/registry.ts';
import type { WorkerEvents } from '../../../serving/supervisor/worker-process.ts';

const minuteMs = 60_000;

/** A canary's process that does what the test says, in place of a real one. */
class Process {
  isReady = false;
  wasReady = false;
  readonly ready: Promise<void>;
  readonly startedMs = performance.now();
  #settle: { resolve(): void; reject(error: Error): void } | undefined;
  readonly #exited: () => void;

  constructor(_start: unknown, events: { exited(process: Process): void }) {
    this.#exited = () => events.exited(this);
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.ready.catch(() => {});
    processes.push(this);
    script?.(this);
  }

  load(): void {
    this.isReady = this.wasReady = true;
    this.#settle?.resolve();
  }

  kill(): void {
    this.isReady = false;
    this.#settle?.reject(new Error('ended before it was ready'));
    this.#exited();
  }

  async drain(): Promise<void> {}
}

jest.unstable_mockModule('../../../serving/supervisor/worker-process.ts', () => ({ WorkerProcess: Process }));
const { Trial } = await import('../../../serving/supervisor/trial.ts');

let processes: Process[];
/** What each process does at its start; undefined: it hangs. */
let script: ((process: Process) => void) | undefined;
let removed: string[];
let metrics: Metrics;
let trial: InstanceType<typeof Trial>;

beforeEach(() => {
  jest.useFakeTimers();
  processes = [];
  script = (process) => process.load();
  removed = [];
  metrics = new Metrics();
  const version = { version: 2, folder: '/models/sums/2', digest: 'd' };
  const served = ServedModel.parse({ name: 'sums', versionLabels: { stable: 1, canary: 2 }, canary: {} });
  const model = { ...served, versions: [version] };
  const settings = ServingSettings.parse({ modelRoot: '/models', stateDir: '/state' });
  trial = new Trial(
    { settings, models: [model], removed: [], threads: 1 },
    model,
    version,
    { started: () => {}, exited: () => {} } as unknown as WorkerEvents,
    metrics,
    createLog('silent', 'test'),
    ({ message }, reason) => removed.push(`${reason}: ${message}`),
  );
});
afterEach(() => {
  jest.useRealTimers();
});

const newest = () => processes.at(-1) as Process;

/** How long after the newest process ended another was started. */
async function restartedAfterMs(): Promise<number> {
  const endedMs = performance.now();
  const count = processes.length;
  while (processes.length === count && removed.length === 0) await jest.advanceTimersByTimeAsync(50);
  return newest().startedMs - endedMs;
}

const removals = () =>
  metrics
    .snapshot()
    .find(({ name, labels }) => name === 'modelmile_canary_removed_total' && labels.includes('crashing'))
    ?.values[0];

it('a canary that keeps dying with nothing to do is started ever later, up to a bound, and then taken out as crashing', async () => {
  await trial.open();
  const delaysMs: number[] = [];
  while (removed.length === 0) {
    newest().kill();
    if (removed.length === 0) delaysMs.push(await restartedAfterMs());
    expect(delaysMs.length).toBeLessThan(20);
  }
  expect(delaysMs).toEqual([200, 400, 800, 1600, 2000]);
  expect(removed).toEqual([
    'crashing: Version 2 of sums was taken out, it is crashing: its process ended 6 times with nothing to do',
  ]);
  expect(removals()).toBe(1);
  await jest.advanceTimersByTimeAsync(60 * minuteMs);
  expect(processes).toHaveLength(6);
});

it('a canary that dies once and is well again keeps its chance, also where that comes again', async () => {
  await trial.open();
  for (let time = 0; time < 10; time++) {
    newest().kill();
    expect(await restartedAfterMs()).toBe(200);
    await jest.advanceTimersByTimeAsync(11 * minuteMs);
  }
  expect(removed).toEqual([]);
  expect(newest().isReady).toBe(true);
});

it('a canary that hangs at each further start is ended and taken out as crashing', async () => {
  await trial.open();
  script = undefined;
  newest().kill();
  await jest.advanceTimersByTimeAsync(9 * minuteMs);
  expect(processes).toHaveLength(2);
  await jest.advanceTimersByTimeAsync(15 * minuteMs);
  expect(processes).toHaveLength(3);
  expect(removed).toEqual([expect.stringMatching(/^crashing: /)]);
});

it('a canary that ends at once at each further start is taken out as crashing', async () => {
  await trial.open();
  script = (process) => void Promise.resolve().then(() => process.kill());
  newest().kill();
  await jest.advanceTimersByTimeAsync(minuteMs);
  expect(processes).toHaveLength(3);
  expect(removed).toEqual([expect.stringMatching(/^crashing: /)]);
});

it.each([
  ['hangs', undefined],
  ['ends at once', (process: Process) => void Promise.resolve().then(() => process.kill())],
])('a canary that %s at its first start is refused, and not started again', async (_, first) => {
  script = first;
  const refusal = expect(trial.open()).rejects.toThrow('ended before it was ready');
  await jest.advanceTimersByTimeAsync(60 * minuteMs);
  await refusal;
  expect(processes).toHaveLength(1);
  expect(removed).toEqual([]);
});
