import { join } from 'node:path';
import { clearField } from '@bufbuild/protobuf';
import { collect } from '../collect.ts';
import {
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
/** Where it writes them. */
const weightsApart = {
  optimized_model_external_initializers_file_name: 'frozen.weights',
  optimized_model_external_initializers_min_size_in_bytes: String(fewestBytes),
};
/** What only a session that runs has a use for: weights once more, in the form that its kernels like. */
const neverRun = { disable_prepacking: '1' };

/**
 * Constants folded, batch normalization folded into the convolution before it, training-only parts gone: the runtime's own `basic`
 * rewrites, which hold on every machine.
 * @param make the model, which nobody else should hold: its weights are free before those of the frozen one are read
 * @see https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
 */
export async function freeze(make: () => ModelProto, mostInlineBytes?: number): Promise<ModelProto> {
  let model: ModelProto | undefined = make();
  const { producerName, producerVersion, irVersion } = model;
  const { name } = model.graph!;
  const sizeBytes = weightBytes(model);
  const isBeside = outgrows(model, mostInlineBytes);
  const isApart = isBeside || (graphsOf(model).length === 1 && outgrows(model, mostInMessageBytes));
  const frozenIn = async (folder: string) => {
    const path = join(folder, 'frozen.onnx');
    const options = {
      graphOptimizationLevel: 'basic',
      optimizedModelFilePath: path,
      enableCpuMemArena: false,
      extra: { session: { ...neverRun, ...(isApart ? weightsApart : {}) } },
    } as const;
    // From a file the runtime needs nothing of the model, whose memory is free while it makes weights of its own.
    const written = isApart ? await writeFiles(model!, folder).catch(() => undefined) : undefined;
    const handed = written === undefined ? model : undefined;
    model = undefined;
    collect(sizeBytes);
    const session = await (handed === undefined ? openFile(written!, options) : openHanded(handed, options));
    await session.release();
    const frozen = await readModel(path);
    // Empty texts, which it writes with constants there only, are in no version that has its weights in the message.
    if (isApart && !isBeside)
      for (const tensor of frozen.graph!.initializer)
        if (tensor.docString === '') clearField(tensor, TensorProtoSchema.field.docString);
    if (isBeside) {
      // There the constants of bodies are written twice (onnxruntime 1.30).
      for (const graph of graphsOf(frozen))
        graph.initializer = [...new Map(graph.initializer.map((tensor) => [tensor.name, tensor])).values()];
    }
    // The runtime lists every operator set that it knows; others need the used ones only.
    const domains = new Set(frozen.graph!.node.map(({ domain }) => (domain === 'ai.onnx' ? '' : domain)));
    frozen.opsetImport = frozen.opsetImport.filter(({ domain }) =>
      domains.has(domain === 'ai.onnx' ? '' : domain),
    );
    frozen.graph!.valueInfo = [];
    frozen.graph!.name = name;
    return Object.assign(frozen, { producerName, producerVersion, irVersion });
  };
  // What the runtime reads, and what it writes.
  return withTemporaryFolder('freeze', frozenIn, 2 * sizeBytes);
}
