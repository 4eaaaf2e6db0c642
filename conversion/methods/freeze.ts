import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fewestBytes, graphsOf, type ModelProto, outgrows } from '../onnx/index.ts';
import { readModel } from '../readers/onnx.ts';
import { openHanded } from '../verify/session.ts';

/** Where the runtime writes weights that have no room in one message. */
const weightsApart = {
  session: {
    optimized_model_external_initializers_file_name: 'weights',
    optimized_model_external_initializers_min_size_in_bytes: String(fewestBytes),
  },
};

/**
 * Constants folded, batch normalization folded into the convolution before it, training-only parts gone: the runtime's own `basic`
 * rewrites, which hold on every machine.
 * @see https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
 */
export async function freeze(model: ModelProto, mostInlineBytes?: number): Promise<ModelProto> {
  const folder = await mkdtemp(join(tmpdir(), 'modelmile-freeze-'));
  const isLarge = outgrows(model, mostInlineBytes);
  try {
    const path = join(folder, 'frozen.onnx');
    const session = await openHanded(model, {
      graphOptimizationLevel: 'basic',
      optimizedModelFilePath: path,
      ...(isLarge ? { extra: weightsApart } : {}),
    });
    await session.release();
    const frozen = await readModel(path);
    if (isLarge) {
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
    frozen.graph!.name = model.graph!.name;
    frozen.producerName = model.producerName;
    frozen.producerVersion = model.producerVersion;
    frozen.irVersion = model.irVersion;
    return frozen;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
