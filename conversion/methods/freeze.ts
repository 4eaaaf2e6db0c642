import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeModel, encodeModel, type ModelProto } from '../onnx/index.ts';
import { openSession } from '../verify/session.ts';

/**
 * Constants folded, batch normalization folded into the convolution before it, training-only parts gone: the runtime's own `basic`
 * rewrites, which hold on every machine.
 * @see https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
 */
export async function freeze(model: ModelProto): Promise<ModelProto> {
  const path = join(tmpdir(), `modelmile-${randomUUID()}.onnx`);
  try {
    const session = await openSession(encodeModel(model), {
      graphOptimizationLevel: 'basic',
      optimizedModelFilePath: path,
    });
    await session.release();
    const frozen = decodeModel(await readFile(path), 'the frozen model');
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
    await rm(path, { force: true });
  }
}
