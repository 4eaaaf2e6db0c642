import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import type { InferenceSession } from 'onnxruntime-node';
import type { Conversion } from '../convert-once.ts';
import {
  defaultSignatureName,
  type LatencyPoint,
  type Manifest,
  Profile,
  sizeOfArtifact,
  type TensorSpec,
} from '../manifest/index.ts';
import { inMemory, type VersionFiles } from '../version-files.ts';
import { seededRandom } from './random.ts';
import { openVersion, runtimeTensor } from './session.ts';

const batches = [1, 2, 4, 8, 16, 32, 64];
/** A point is measured until both are reached, and no longer than `longestMs`. */
const enough = { runs: 100, ms: 300 };
const longestMs = 5000;
const warmUpRuns = 10;
/** Sessions that are open at once to see what one takes; fewer of large models. */
const most = { sessions: 16, bytes: 2 ** 28 };
/** What a free size that is not the batch is taken as. */
const otherFreeSize = 1;

const version = (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string })
  .version;

/** `[batch, ...]`: the first free size is the batch. */
function shapeOf({ shape }: TensorSpec, batch: number): number[] {
  const first = shape.indexOf(-1);
  return shape.map((size, axis) => (size !== -1 ? size : axis === first ? batch : otherFreeSize));
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** Seeded inputs of `batch` rows. */
function feedsFor(inputs: readonly TensorSpec[], batch: number) {
  const random = seededRandom(1);
  return Object.fromEntries(
    inputs.map((spec) => {
      const shape = shapeOf(spec, batch);
      const values = Float64Array.from({ length: sizeOf(shape) }, () => random());
      return [spec.name, runtimeTensor(spec, shape, values)];
    }),
  );
}

/** The inputs of each run for `batch` rows, as the service runs them: all at once, or one by one where the rows of a run share a scale. */
export function runsFor({ recipe, signatures }: Manifest, batch: number) {
  const { inputs } = signatures[defaultSignatureName]!;
  const isRowByRow = recipe.method === 'dynamic-int8' && inputs.every(({ shape }) => shape[0] === -1);
  return isRowByRow ? Array.from({ length: batch }, () => feedsFor(inputs, 1)) : [feedsFor(inputs, batch)];
}

async function measure(session: InferenceSession, manifest: Manifest, batch: number): Promise<LatencyPoint> {
  const runs = runsFor(manifest, batch);
  const answer = async () => {
    for (const tensors of runs) await session.run(tensors);
  };
  for (let run = 0; run < warmUpRuns; run++) await answer();
  const times: number[] = [];
  const started = performance.now();
  for (let now = started; ; ) {
    await answer();
    const after = performance.now();
    times.push(after - now);
    now = after;
    const ms = after - started;
    if ((times.length >= enough.runs && ms >= enough.ms) || ms >= longestMs) break;
  }
  times.sort((a, b) => a - b);
  const quantile = (share: number) =>
    Number(times[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(4));
  return { batch, p50Ms: quantile(0.5), p95Ms: quantile(0.95), p99Ms: quantile(0.99), runs: times.length };
}

/** What it takes to load a model, and what a session of it takes that has run its largest batch; one session stays open. */
async function loaded(files: VersionFiles, sizeBytes: number, manifest: Manifest, batch: number) {
  const [one, largest] = [runsFor(manifest, 1)[0]!, runsFor(manifest, batch)[0]!];
  const times: number[] = [];
  const open = async () => {
    const started = performance.now();
    const session = await openVersion(files);
    await session.run(one);
    times.push(performance.now() - started);
    await session.run(largest);
    return session;
  };
  // The first takes what the process lacks of its own, the runtime's included; what it leaves free, the others take.
  await (await open()).release();
  times.length = 0;
  const before = process.memoryUsage.rss();
  const sessions = [await open()];
  for (let n = Math.min(most.sessions, Math.floor(most.bytes / sizeBytes)); n > 1; n--)
    sessions.push(await open());
  const grown = (process.memoryUsage.rss() - before) / sessions.length;
  for (const session of sessions.slice(1)) await session.release();
  const loadMs = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
  return { session: sessions[0]!, loadMs, memoryBytes: Math.max(Math.round(grown), sizeBytes) };
}

/**
 * Measures a converted model on this machine's CPU, one thread: what sizing rests on. Random inputs: the time of dense layers does not
 * hang on the values.
 */
export async function profileOf({ manifest, digest, files }: Conversion): Promise<Profile> {
  const { inputs } = manifest.signatures[defaultSignatureName]!;
  const sizes = inputs.some(({ shape }) => shape.includes(-1)) ? batches : [1];
  const sizeBytes = sizeOfArtifact(manifest);
  const { session, loadMs, memoryBytes } = await loaded(inMemory(files), sizeBytes, manifest, sizes.at(-1)!);
  const latency: LatencyPoint[] = [];
  for (const batch of sizes) latency.push(await measure(session, manifest, batch));
  await session.release();
  return Profile.parse({
    profileVersion: 1,
    digest,
    measuredAtMs: Date.now(),
    sizeBytes,
    inputElements: inputs.reduce((sum, spec) => sum + sizeOf(shapeOf(spec, 1)), 0),
    devices: [
      {
        executionProvider: 'cpu',
        device: cpus()[0]?.model.trim() || process.arch,
        threads: 1,
        onnxruntime: version,
        latency,
        loadMs: Number(loadMs.toFixed(2)),
        memoryBytes,
      },
    ],
  } satisfies Profile);
}
