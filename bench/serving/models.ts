import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { encodeManifest } from '../../conversion/manifest/index.ts';
import { GraphBuilder, ModelProtoSchema } from '../../conversion/onnx/index.ts';
import { writeVersion } from '../../conversion/version-folder.ts';

/** Dense layers with ReLU, softmax at the end; the article's model is [784, 128, 10]. */
export const models = {
  mlp: [784, 128, 10],
  wide: [784, 2048, 2048, 10],
} as const satisfies Record<string, readonly number[]>;
export type ModelName = keyof typeof models;

/** Seeded weights of a size that keeps activations near 1. */
function weights(rows: number, columns: number): Float32Array {
  const scale = Math.sqrt(2 / rows);
  return Float32Array.from({ length: rows * columns }, (_, index) => scale * Math.sin(index * 12.9898));
}

/** Writes the model as version 1 of a repository and answers the path of its model.onnx. */
export async function writeModel(root: string, name: ModelName): Promise<string> {
  const sizes: readonly number[] = models[name];
  const graph = new GraphBuilder();
  let value = graph.input('x', 'float32', [-1, sizes[0] as number]);
  for (let layer = 1; layer < sizes.length; layer++) {
    const [rows, columns] = [sizes[layer - 1] as number, sizes[layer] as number];
    const shape = [-1, columns];
    const w = graph.constant(`w${layer}`, 'float32', [rows, columns], weights(rows, columns));
    const b = graph.constant(`b${layer}`, 'float32', [columns], new Float32Array(columns).fill(0.01));
    value = graph.node('Gemm', [value, w, b], { name: `gemm${layer}`, shape });
    const isLast = layer === sizes.length - 1;
    value = isLast
      ? graph.node('Softmax', [value], { name: 'softmax', shape }, { axis: -1n })
      : graph.node('Relu', [value], { name: `relu${layer}`, shape });
  }
  const output = graph.output('y', value);
  const onnx = toBinary(ModelProtoSchema, graph.build(name));
  const file = { sha256: createHash('sha256').update(onnx).digest('hex'), sizeBytes: onnx.length };
  const manifest = encodeManifest({
    manifestVersion: 1,
    source: { format: 'onnx', dialect: 'onnx', ...file },
    artifact: { format: 'onnx', model: { file: 'model.onnx', ...file } },
    recipe: { method: 'none' },
    tools: { bench: '1' },
    signatures: {
      serving_default: { inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 784] }], outputs: [output] },
    },
    parity: {
      reference: 'source-model',
      samples: 1,
      seed: 0,
      maxAbsError: 0,
      maxRelError: 0,
      tolerance: 0,
      passed: true,
    },
  });
  const folder = `${root}/${name}/1`;
  await writeVersion(
    {
      files: new Map([
        ['manifest.json', manifest],
        ['model.onnx', onnx],
      ]),
    },
    folder,
  );
  return `${folder}/model.onnx`;
}

/** The one row that every request carries: 784 numbers of four decimals. */
export const row: readonly number[] = Array.from({ length: 784 }, (_, index) =>
  Number((Math.abs(Math.sin(index * 78.233)) % 1).toFixed(4)),
);
