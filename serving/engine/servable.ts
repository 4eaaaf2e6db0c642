import { defaultSignatureName, type Signature } from '../../conversion/manifest/index.ts';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import { Processor } from '../processing/processor.ts';
import type { ModelVersion } from '../repository/version.ts';
import { Batcher, type BatchReport } from './batcher.ts';
import { rowByRow } from './row-by-row.ts';
import type { Runner } from './runner.ts';
import { openSession, type Session } from './session.ts';
import { allocate, countOf, type TensorValue } from './tensor.ts';

/** A model version that answers. */
export interface Servable extends ModelVersion {
  readonly signature: Signature;
  /** Whether requests can share a run: every tensor's first dimension is open. */
  readonly batchable: boolean;
  readonly runner: Runner;
  /** What pictures, columns and scores are made into; undefined where the manifest declares nothing. */
  readonly processor: Processor | undefined;
}

/**
 * What a version's manifest says of its requests.
 * @throws ServingError SERVING_LOAD_FAILED where it is no model that this engine runs
 */
export function describe(version: ModelVersion): Pick<Servable, 'signature' | 'batchable' | 'processor'> {
  const refused = (why: string) =>
    new ServingError('SERVING_LOAD_FAILED', `${version.model} version ${version.version}: ${why}`);
  const signature = version.manifest.signatures[defaultSignatureName];
  if (signature === undefined || version.manifest.artifact.format !== 'onnx') {
    throw refused(`the manifest has no ONNX artifact with the signature ${defaultSignatureName}`);
  }
  const batchable = [...signature.inputs, ...signature.outputs].every((spec) => spec.shape[0] === -1);
  try {
    return { signature, batchable, processor: Processor.of(version.manifest, signature) };
  } catch (error) {
    throw refused((error as Error).message);
  }
}

/** A size for dimensions that the model leaves open, for the warm-up only. */
const openSize = 1;
/** A row that takes less gains nothing by threads: each has to be woken, by a processor that may be busy with something else. */
const worthThreadsMs = 0.1;

/** Zeros for one row. */
const smallest = (signature: Signature): TensorValue[] =>
  signature.inputs.map(({ name, dtype, shape }) => {
    const concrete = shape.map((size) => (size < 0 ? openSize : size));
    return { name, dtype, shape: concrete, data: allocate(dtype, countOf(concrete)) };
  });

/** How long a row takes, the quickest of some: what else the machine does only adds to it. */
async function rowMs(session: Session, signature: Signature): Promise<number> {
  const row = smallest(signature);
  let quickestMs = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 5 && quickestMs > worthThreadsMs; time++) {
    const startedMs = performance.now();
    await session.run(() => row);
    quickestMs = Math.min(quickestMs, performance.now() - startedMs);
  }
  return quickestMs;
}

/** A session that has run once, so that the first request pays for nothing. @throws Error of ONNX Runtime, of the provider */
async function openWarm(
  modelPath: string,
  signature: Signature,
  threads: number,
  provider: ServingSettings['executionProvider'],
): Promise<Session> {
  const session = await openSession(modelPath, signature, threads, provider);
  await session.run(() => smallest(signature));
  await session.confirmProvider();
  return session;
}

/**
 * Loads a verified version and runs it once, so that the first request pays for nothing.
 * @throws ServingError SERVING_LOAD_FAILED
 */
export async function loadServable(
  version: ModelVersion,
  settings: Pick<ServingSettings, 'batching' | 'executionProvider'>,
  threads: number,
  onBatch: (report: BatchReport) => void,
): Promise<Servable> {
  const { signature, batchable, processor } = describe(version);
  try {
    const { executionProvider: provider } = settings;
    let session = await openWarm(version.modelPath, signature, threads, provider);
    const mayShare = threads > 1 && provider === 'cpu';
    if (mayShare && (await rowMs(session, signature)) < worthThreadsMs) {
      await session.close();
      session = await openWarm(version.modelPath, signature, 1, provider);
    }
    // Rows that run one by one gain nothing by each other's company.
    const batching =
      batchable && !version.mixesRows
        ? settings.batching
        : { ...settings.batching, maxBatchSize: 0, allowedBatchSizes: [] };
    const rowsVary = signature.inputs.some((spec) => spec.shape.slice(1).includes(-1));
    // A caller's numbers must change nobody else's answer.
    const rows = batchable && version.mixesRows ? rowByRow(session) : session;
    const runner = new Batcher(rows, batching, rowsVary, onBatch);
    return { ...version, signature, batchable, runner, processor };
  } catch (error) {
    throw new ServingError(
      'SERVING_LOAD_FAILED',
      `${version.model} version ${version.version}: ${(error as Error).message}`,
    );
  }
}
