import { rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { clearField } from '@bufbuild/protobuf';
import { collect } from '../collect.ts';
import { allocate, readInto, readWhole } from '../large-files.ts';
import {
  attachWeights,
  decodeModel,
  externalLocations,
  fewestBytes,
  graphsOf,
  type ModelProto,
  outgrows,
  TensorProtoSchema,
  weightBytes,
} from '../onnx/index.ts';
import { readModel } from '../readers/onnx.ts';
import { withTemporaryFolder } from '../temporary-folder.ts';
import { openFile, openHanded, writeFiles } from '../verify/session.ts';

/** Weights that the runtime writes into a file of their own: in its message it holds them once more, and keeps the memory. */
const mostInMessageBytes = 2 ** 22;
const weightsFile = 'frozen.weights';
/** Where it writes them. */
const weightsApart = {
  optimized_model_external_initializers_file_name: weightsFile,
  optimized_model_external_initializers_min_size_in_bytes: String(fewestBytes),
};
/** What only a session that runs has a use for: weights once more, in the form that its kernels like. */
const neverRun = { disable_prepacking: '1' };

/** A frozen model as the runtime leaves it. */
export interface Frozen {
  /** Where `weights` is there its large constants are empty: they have places in `room`, which nobody has written to. */
  readonly model: ModelProto;
  /** The file that has what belongs into `room`. */
  readonly weights?: { readonly path: string; readonly room: Uint8Array };
}

/** The model with its weights in memory. @throws Error where the file was cut */
export async function filled({ model, weights }: Frozen): Promise<ModelProto> {
  if (weights !== undefined) await readInto(weights.room, weights.path);
  return model;
}

/** What the runtime wrote, the file of its large constants moved and not read. */
async function withRoom(path: string, folder: string): Promise<Frozen> {
  const model = decodeModel(await readWhole(path), path);
  if (externalLocations(model).length === 0) return { model };
  const weights = join(folder, weightsFile);
  await rename(join(dirname(path), weightsFile), weights);
  // Memory that nobody writes to is none.
  const room = allocate((await stat(weights)).size, weights);
  attachWeights(model, new Map([[weightsFile, room]]), path);
  return { model, weights: { path: weights, room } };
}

/**
 * Constants folded, batch normalization folded into the convolution before it, training-only parts gone: the runtime's own `basic`
 * rewrites, which hold on every machine.
 * @param folder keeps large weights, as long as the caller wants
 * @param make the model, which nobody else should hold: its weights are free before those of the frozen one are there
 * @see https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
 */
export async function freezeInto(
  folder: string,
  make: () => ModelProto,
  mostInlineBytes?: number,
): Promise<Frozen> {
  let model: ModelProto | undefined = make();
  const { producerName, producerVersion, irVersion } = model;
  const { name } = model.graph!;
  const sizeBytes = weightBytes(model);
  const isBeside = outgrows(model, mostInlineBytes);
  const isApart = isBeside || (graphsOf(model).length === 1 && outgrows(model, mostInMessageBytes));
  const frozenIn = async (working: string): Promise<Frozen> => {
    const path = join(working, 'frozen.onnx');
    const options = {
      graphOptimizationLevel: 'basic',
      optimizedModelFilePath: path,
      enableCpuMemArena: false,
      extra: { session: { ...neverRun, ...(isApart ? weightsApart : {}) } },
    } as const;
    // From a file the runtime needs nothing of the model, whose memory is free while it makes weights of its own.
    const written = isApart ? await writeFiles(model!, working).catch(() => undefined) : undefined;
    const handed = written === undefined ? model : undefined;
    model = undefined;
    collect(sizeBytes);
    const session = await (handed === undefined ? openFile(written!, options) : openHanded(handed, options));
    await session.release();
    return isBeside ? { model: await readModel(path) } : withRoom(path, folder);
  };
  // What the runtime reads, and what it writes.
  const frozen = await withTemporaryFolder('freeze', frozenIn, 2 * sizeBytes);
  const { graph } = frozen.model;
  // Empty texts, which it writes with constants there only, are in no version that has its weights in the message.
  if (frozen.weights !== undefined)
    for (const tensor of graph!.initializer)
      if (tensor.docString === '') clearField(tensor, TensorProtoSchema.field.docString);
  if (isBeside) {
    // There the constants of bodies are written twice (onnxruntime 1.30).
    for (const graph of graphsOf(frozen.model))
      graph.initializer = [...new Map(graph.initializer.map((tensor) => [tensor.name, tensor])).values()];
  }
  // The runtime lists every operator set that it knows; others need the used ones only.
  const domains = new Set(graph!.node.map(({ domain }) => (domain === 'ai.onnx' ? '' : domain)));
  frozen.model.opsetImport = frozen.model.opsetImport.filter(({ domain }) =>
    domains.has(domain === 'ai.onnx' ? '' : domain),
  );
  graph!.valueInfo = [];
  graph!.name = name;
  Object.assign(frozen.model, { producerName, producerVersion, irVersion });
  return frozen;
}

/** The same, in memory. */
export const freeze = (make: () => ModelProto, mostInlineBytes?: number): Promise<ModelProto> =>
  withTemporaryFolder('frozen', async (folder) => filled(await freezeInto(folder, make, mostInlineBytes)));
