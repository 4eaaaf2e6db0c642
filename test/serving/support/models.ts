import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import {
  type DataType,
  dataTypes,
  encodeManifest,
  type Preprocessing,
  type Signature,
} from '../../../conversion/manifest/index.ts';
import {
  decodeModel,
  GraphBuilder,
  ModelProtoSchema,
  modelFiles,
  type SymbolicTensor,
} from '../../../conversion/onnx/index.ts';
import { writeVersion } from '../../../conversion/version-folder.ts';

/** A model of a few nodes, made here, so that the expected answer can be worked out by hand. */
export interface FixtureModel {
  readonly signature: Signature;
  readonly onnx: Uint8Array;
  readonly labels?: string[];
  readonly preprocessing?: Preprocessing;
}

type Values = Readonly<Record<string, SymbolicTensor>>;

function model(
  inputs: Signature['inputs'],
  outputs: (graph: GraphBuilder, values: Values) => Values,
  labels?: string[],
): FixtureModel {
  const graph = new GraphBuilder();
  const values = Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => [name, graph.input(name, dtype, shape)]),
  );
  const specs = Object.entries(outputs(graph, values)).map(([name, value]) => graph.output(name, value));
  return {
    signature: { inputs, outputs: specs },
    onnx: toBinary(ModelProtoSchema, graph.build('fixture')),
    ...(labels && { labels }),
  };
}

/** `scores[i] = softmax(x W)`: float32 [-1,4] -> [-1,3], with labels. */
export const classifier = model(
  [{ name: 'x', dtype: 'float32', shape: [-1, 4] }],
  (graph, { x }) => {
    const weights = Float32Array.from({ length: 12 }, (_, index) => Math.sin(index + 1));
    const w = graph.constant('w', 'float32', [4, 3], weights);
    const logits = graph.node('MatMul', [x as SymbolicTensor, w], { name: 'logits', shape: [-1, 3] });
    return { scores: graph.node('Softmax', [logits], { name: 'softmax', shape: [-1, 3] }, { axis: -1n }) };
  },
  ['red', 'green', 'blue'],
);

/** `y = factor * sum(x)`: float32 [-1,2] -> [-1,1]. Versions differ by the factor. */
export const scaledSum = (factor: number) =>
  model([{ name: 'x', dtype: 'float32', shape: [-1, 2] }], (graph, { x }) => {
    const w = graph.constant('w', 'float32', [2, 1], Float32Array.of(factor, factor));
    return { y: graph.node('MatMul', [x as SymbolicTensor, w], { name: 'product', shape: [-1, 1] }) };
  });

/** As many values in as a picture of 28 x 28 has, and out again: float32 [-1,784]. */
export const manyValues = model([{ name: 'x', dtype: 'float32', shape: [-1, 784] }], (graph, { x }) => ({
  y: graph.node('Identity', [x!], { name: 'same', shape: [-1, 784] }),
}));

/** `scaledSum` with weights of 4 KB. */
export const wideSum = (factor: number) =>
  model([{ name: 'x', dtype: 'float32', shape: [-1, 2] }], (graph, { x }) => {
    const spread = graph.constant('spread', 'float32', [2, 512], new Float32Array(1024).fill(factor));
    const gather = graph.constant('gather', 'float32', [512, 1], new Float32Array(512).fill(1 / 512));
    const wide = graph.node('MatMul', [x as SymbolicTensor, spread], { name: 'wide', shape: [-1, 512] });
    return { y: graph.node('MatMul', [wide, gather], { name: 'product', shape: [-1, 1] }) };
  });

const pair: Signature['inputs'] = [{ name: 'x', dtype: 'float32', shape: [-1, 2] }];

const sumOf = (graph: GraphBuilder, x: SymbolicTensor, factor: number) => {
  const w = graph.constant('w', 'float32', [2, 1], Float32Array.of(factor, factor));
  return graph.node('MatMul', [x, w], { name: 'product', shape: [-1, 1] });
};

/** `scaledSum` that fails for every input but zeros, so that its warm-up does not. */
export const failingSum = model(pair, (graph, { x }) => {
  const only = graph.constant('only', 'float32', [1], Float32Array.of(0));
  const total = graph.node('ReduceSum', [x!], { name: 'total', shape: [] }, { keepdims: 0n });
  const index = graph.node('Cast', [total], { name: 'index', shape: [], dtype: 'int64' }, { to: 7n });
  const nothing = graph.node('Gather', [only, index], { name: 'nothing', shape: [] }, { axis: 0n });
  return { y: graph.node('Add', [sumOf(graph, x!, 1), nothing], { name: 'sum', shape: [-1, 1] }) };
});

/** `scaledSum` that multiplies matrices of 512 x 512 beside, `times` after each other. */
export const slowSum = (factor: number, times: number) =>
  model(pair, (graph, { x }) => {
    const square = [512, 512];
    const zero = graph.constant('zero', 'float32', [], Float32Array.of(0));
    const total = graph.node('ReduceSum', [x!], { name: 'total', shape: [] }, { keepdims: 0n });
    const nothing = graph.node('Mul', [total, zero], { name: 'nothing', shape: [] });
    const zeros = graph.constant('zeros', 'float32', square, new Float32Array(512 * 512));
    let matrix = graph.node('Add', [zeros, nothing], { name: 'matrix', shape: square });
    for (let time = 0; time < times; time++) {
      matrix = graph.node('MatMul', [matrix, matrix], { name: `matrix${time}`, shape: square });
    }
    const rest = graph.node('ReduceSum', [matrix], { name: 'rest', shape: [] }, { keepdims: 0n });
    return { y: graph.node('Add', [sumOf(graph, x!, factor), rest], { name: 'sum', shape: [-1, 1] }) };
  });

/** Two inputs of different types, two outputs: `sum = a + float(b)`, `text_bytes = t`. */
export const several = model(
  [
    { name: 'a', dtype: 'float32', shape: [-1, 2] },
    { name: 'b', dtype: 'int64', shape: [-1, 2] },
    { name: 't', dtype: 'string', shape: [-1] },
  ],
  (graph, values) => {
    const { a, b, t } = values as Record<string, SymbolicTensor>;
    const cast = graph.node('Cast', [b!], { name: 'cast', shape: [-1, 2], dtype: 'float32' }, { to: 1n });
    return { sum: graph.node('Add', [a!, cast], { name: 'add', shape: [-1, 2] }), text_bytes: t! };
  },
);

/** `y = x`: float32 [-1,-1], rows of any width. */
export const anyWidth = model([{ name: 'x', dtype: 'float32', shape: [-1, -1] }], (graph, { x }) => ({
  y: graph.node('Identity', [x!], { name: 'same', shape: [-1, -1] }),
}));

/** `y = x`: int64 [-1,2]. */
export const wholeNumbers = model([{ name: 'x', dtype: 'int64', shape: [-1, 2] }], (graph, { x }) => ({
  y: graph.node('Identity', [x!], { name: 'same', shape: [-1, 2], dtype: 'int64' }),
}));

/** Gives back what it gets, one input and one output for each element type. */
export const everyType = model(
  dataTypes.map((dtype) => ({ name: `in_${dtype}`, dtype, shape: [-1, 2] })),
  (_graph, values) =>
    Object.fromEntries(dataTypes.map((dtype: DataType) => [`out_${dtype}`, values[`in_${dtype}`]!])),
);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Writes a version into a model repository (contract 1), with weights beyond `mostInlineBytes` in a file of their own. */
export async function writeFixture(
  root: string,
  name: string,
  version: number,
  fixture: FixtureModel,
  mostInlineBytes?: number,
): Promise<void> {
  const files = modelFiles(decodeModel(fixture.onnx, name), 'model.onnx', mostInlineBytes);
  const [model, externalData] = [...files].map(([file, bytes]) => ({
    file,
    sha256: sha256(bytes),
    sizeBytes: bytes.length,
  }));
  const manifest = encodeManifest({
    manifestVersion: 1,
    source: { format: 'onnx', dialect: 'onnx', sha256: model!.sha256, sizeBytes: model!.sizeBytes },
    artifact: { format: 'onnx', model: model!, ...(externalData && { externalData }) },
    recipe: { method: 'none' },
    tools: { fixture: '1' },
    signatures: { serving_default: fixture.signature },
    parity: {
      reference: 'source-model',
      samples: 1,
      seed: 0,
      maxAbsError: 0,
      maxRelError: 0,
      tolerance: 0,
      passed: true,
    },
    ...(fixture.labels && { labels: fixture.labels }),
    ...(fixture.preprocessing && { preprocessing: fixture.preprocessing }),
  });
  await writeVersion(
    { files: new Map([['manifest.json', manifest], ...files]) },
    join(root, name, String(version)),
  );
}
