import type { NodeProto } from '../onnx/index.ts';
import { floatAttribute, type Graph, intAttribute, type Weights } from '../onnx/index.ts';

/** Weights in int8 with one scale for each output channel; zero points are 0. */
export interface QuantizedWeights {
  readonly dims: readonly number[];
  readonly values: Int8Array;
  /** One for each index along `axis`. */
  readonly scales: Float32Array;
  readonly axis: number;
}

/** Symmetric int8 over -127..127, so that no product of two weights can overflow the other way round. */
export function quantizeWeights({ dims, data }: Weights, axis: number): QuantizedWeights {
  const channels = dims[axis] as number;
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const channelOf = (index: number) => Math.floor(index / inner) % channels;
  const largest = new Float32Array(channels);
  for (let i = 0; i < data.length; i++) {
    const channel = channelOf(i);
    largest[channel] = Math.max(largest[channel] as number, Math.abs(data[i] as number));
  }
  // A channel of zeros needs a scale all the same; any will do.
  const scales = largest.map((value) => (value > 0 ? value / 127 : 1));
  const values = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const steps = Math.round((data[i] as number) / (scales[channelOf(i)] as number));
    values[i] = Math.max(-127, Math.min(127, steps));
  }
  return { dims, values, scales, axis };
}

/** A product with constant weights `[in, out]` and an optional bias `[out]`, however the graph writes it. */
export interface DenseProduct {
  readonly node: NodeProto;
  readonly input: string;
  /** Name of the constant. */
  readonly kernel: string;
  readonly weights: Weights;
  readonly bias: string | undefined;
}

function transposed({ dims, data }: Weights): Weights {
  const [rows, columns] = dims as [number, number];
  const turned = new Float32Array(data.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) turned[c * rows + r] = data[r * columns + c] as number;
  return { dims: [columns, rows], data: turned };
}

/** MatMul, and Gemm without factors, whose second operand is a constant matrix. */
export function denseProduct(graph: Graph, node: NodeProto): DenseProduct | undefined {
  const [input = '', kernel = '', bias] = node.input;
  const weights = graph.weights(kernel);
  if (weights === undefined || weights.dims.length !== 2 || graph.isConstant(input)) return undefined;
  if (node.opType === 'MatMul') return { node, input, kernel, weights, bias: undefined };
  const isPlain =
    node.opType === 'Gemm' &&
    intAttribute(node, 'transA', 0) === 0 &&
    floatAttribute(node, 'alpha', 1) === 1 &&
    floatAttribute(node, 'beta', 1) === 1;
  if (!isPlain) return undefined;
  const turned = intAttribute(node, 'transB', 0) === 1 ? transposed(weights) : weights;
  return { node, input, kernel, weights: turned, bias: bias === '' ? undefined : bias };
}
