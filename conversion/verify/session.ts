import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { ConversionError } from '../errors.ts';
import { type Piece, writePieces } from '../large-files.ts';
import type { TensorSpec } from '../manifest/index.ts';
import {
  apart,
  besideFile,
  giving,
  inParts,
  type ModelInParts,
  type ModelProto,
  type ValueInfoProto,
  weightBytes,
} from '../onnx/index.ts';
import { removedAfter } from '../temporary-folder.ts';
import { bytesOf, type VersionFiles } from '../version-files.ts';
import { runtime } from './runtime.ts';

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const;

/** A tensor of the runtime from plain numbers. */
export function runtimeTensor(spec: TensorSpec, shape: readonly number[], values: ArrayLike<number>): Tensor {
  const { Tensor } = runtime();
  if (spec.dtype === 'int64' || spec.dtype === 'uint64') {
    const Big = spec.dtype === 'int64' ? BigInt64Array : BigUint64Array;
    return new Tensor(spec.dtype, Big.from(Array.from(values, (v) => BigInt(Math.trunc(v)))) as never, [
      ...shape,
    ]);
  }
  if (!(spec.dtype in arrays)) throw new Error(`input '${spec.name}' has the element type ${spec.dtype}`);
  const View = arrays[spec.dtype as keyof typeof arrays];
  return new Tensor(spec.dtype as 'float32', new View(values) as Float32Array, [...shape]);
}

const refuses = (what: string) => (error: Error) => {
  throw new ConversionError('CONVERSION_RUNTIME_REFUSED', `ONNX Runtime ${what} the model: ${error.message}`);
};

/**
 * A session on one thread: the same sums in the same order, so that parity figures are the same everywhere.
 * @throws ConversionError CONVERSION_RUNTIME_REFUSED
 */
async function create(
  model: Uint8Array | string,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return runtime()
    .InferenceSession.create(model as string, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      ...options,
    })
    .catch(refuses('refuses'));
}

const openParts = ({ message, externalData }: ModelInParts, options: InferenceSession.SessionOptions) =>
  create(message, { externalData, ...options });

/** Weights beyond which the runtime gets them as a file: that it maps, where of what it is handed in memory it makes copies. */
const mostHandedBytes = 2 ** 22;
const weightsFile = 'weights';

/** A message, and files beside it by name. */
interface OnDisk {
  readonly message: Uint8Array;
  readonly beside: ReadonlyMap<string, readonly Piece[]>;
}

/** @returns the path of the message */
async function writeApart({ message, beside }: OnDisk, folder: string): Promise<string> {
  for (const [name, pieces] of beside) await writePieces(join(folder, name), pieces);
  const path = join(folder, 'message');
  await writeFile(path, message);
  return path;
}

/** A session of a model whose weights lie in files, which are gone from the disk before this returns; in memory where the disk has no room. */
async function openMapped(
  files: OnDisk,
  options: InferenceSession.SessionOptions,
  inMemory: () => Promise<InferenceSession>,
) {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-session-')).catch(() => undefined);
  if (folder === undefined) return inMemory();
  return removedAfter(folder, async () => {
    const path = await writeApart(files, folder).catch(() => undefined);
    return path === undefined ? inMemory() : create(path, options);
  });
}

/**
 * A session that is handed a model's weights in memory: what the runtime writes of it names no file that is gone.
 * @throws ConversionError CONVERSION_RUNTIME_REFUSED, CONVERSION_UNSUPPORTED
 */
export const openHanded = (model: ModelProto, options: InferenceSession.SessionOptions) =>
  openParts(inParts(model), options);

/** A session of a model in memory. @throws ConversionError CONVERSION_RUNTIME_REFUSED, CONVERSION_UNSUPPORTED */
export async function openModel(model: ModelProto, options: InferenceSession.SessionOptions = {}) {
  const handed = () => openHanded(model, options);
  if (weightBytes(model) <= mostHandedBytes) return handed();
  const { message, pieces } = besideFile(model, weightsFile);
  return openMapped({ message, beside: new Map([[weightsFile, pieces]]) }, options, handed);
}

/** @throws Error where the version is of another format */
function partsOf(files: VersionFiles): ModelInParts {
  const message = files.get('model.onnx');
  if (message === undefined) throw new Error('only versions of the format onnx run here');
  const beside = [...files].filter(([name]) => name.startsWith('model.onnx.'));
  return {
    message: bytesOf(message),
    externalData: beside.map(([path, data]) => ({ path, data: bytesOf(data) })),
  };
}

/** A session of a version. @throws ConversionError CONVERSION_RUNTIME_REFUSED; Error where the version is of another format */
export const openVersion = async (files: VersionFiles): Promise<InferenceSession> =>
  openParts(partsOf(files), {});

/** An arena keeps memory for the next run. */
const runOnce = { enableCpuMemArena: false };

/** A session of a message whose weights lie in files beside it. @throws ConversionError CONVERSION_RUNTIME_REFUSED */
export const openFile = (path: string, options: InferenceSession.SessionOptions = {}) =>
  create(path, { ...runOnce, ...options });

/** Writes a message and its weights into a folder, for `openFile`. @returns the path of the message */
export function writeFiles(model: ModelProto, folder: string): Promise<string> {
  const { message, pieces } = besideFile(model, weightsFile);
  return writeApart({ message, beside: new Map([[weightsFile, pieces]]) }, folder);
}

/**
 * A session of the very bytes that ship, for the gate; large weights of the message are mapped from a copy of them.
 * @param added values inside, which the gate wants beside the outputs
 * @throws ConversionError CONVERSION_RUNTIME_REFUSED
 */
export async function openShipped(
  files: VersionFiles,
  added: readonly ValueInfoProto[] = [],
): Promise<InferenceSession> {
  const { message, externalData } = partsOf(files);
  const handed = () => openParts({ message: giving(message, added), externalData }, runOnce);
  if (externalData.length === 0 && message.length <= mostHandedBytes) return handed();
  const { message: rest, pieces } = apart(message, weightsFile);
  const beside = new Map(externalData.map(({ path, data }) => [path, [{ bytes: data, offset: 0 }]]));
  return openMapped(
    { message: giving(rest, added), beside: new Map([...beside, [weightsFile, pieces]]) },
    runOnce,
    handed,
  );
}

/**
 * Runs a model and gives its outputs as float64, in the order of `names`.
 * @throws ConversionError CONVERSION_RUNTIME_REFUSED
 */
export async function runSession(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
  names: readonly string[],
): Promise<{ shape: readonly number[]; data: Float64Array }[]> {
  const results = await session.run(feeds, names as string[]).catch(refuses('cannot run'));
  return names.map((name) => {
    const tensor = results[name] as Tensor;
    return { shape: tensor.dims, data: Float64Array.from(tensor.data as ArrayLike<number>, Number) };
  });
}
