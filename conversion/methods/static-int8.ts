import { clone } from '@bufbuild/protobuf';
import { ConversionError } from '../errors.ts';
import {
  Graph,
  type ModelProto,
  ModelProtoSchema,
  makeNode,
  type NodeProto,
  type TensorData,
} from '../onnx/index.ts';
import { answers } from '../verify/model-parity.ts';
import { calibrators, type Range, rangesOf } from './calibration.ts';
import type { MethodContext } from './method.ts';
import { denseProduct, type QuantizedWeights, quantizeWeights } from './quantization.ts';

/** Operators that hand values on as they are: what comes out has the scale of what went in. */
const passing: ReadonlySet<string> = new Set([
  'MaxPool',
  'Reshape',
  'Transpose',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
]);
/** Operators with an integer kernel of their own, worth it only between quantized values. */
const joining: ReadonlySet<string> = new Set(['Add', 'Concat', 'AveragePool', 'GlobalAveragePool']);
/** What a node cuts values to, where it does nothing else; undefined for other nodes. */
function limitsOf(graph: Graph, { opType, input }: NodeProto): Range | undefined {
  const limit = (name: string | undefined, otherwise: number) =>
    name ? (graph.weights(name)?.data[0] ?? Number.NaN) : otherwise;
  if (opType === 'Relu') return { min: 0, max: Number.POSITIVE_INFINITY };
  if (opType !== 'Clip') return undefined;
  const limits = {
    min: limit(input[1], Number.NEGATIVE_INFINITY),
    max: limit(input[2], Number.POSITIVE_INFINITY),
  };
  return limits.min <= limits.max ? limits : undefined;
}

interface Step {
  readonly scale: number;
  readonly zeroPoint: number;
}

function stepOf({ min, max }: Range): Step {
  const scale = Math.fround((max - min) / 255) || 1;
  return { scale, zeroPoint: Math.max(0, Math.min(255, Math.round(-min / scale))) };
}

/** Which values become integers, and whose steps they take. */
class Plan {
  /** Value -> the value whose range counts. */
  readonly values = new Map<string, string>();
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
    for (const node of graph.nodes) this.#look(node);
  }

  #add(value: string, like = value): void {
    if (!this.values.has(value)) this.values.set(value, this.values.get(like) ?? like);
  }

  #look(node: NodeProto): void {
    const output = node.output[0] as string;
    const flowing = node.input.filter((name) => name !== '' && !this.#graph.isConstant(name));
    if (hasConstantFilters(this.#graph, node)) {
      this.#add(flowing[0] as string);
      this.#add(this.#afterClipping(output));
    } else if (denseProduct(this.#graph, node) !== undefined) {
      this.#add(flowing[0] as string);
    } else if (flowing.length === 0 || !flowing.every((name) => this.values.has(name))) {
      return;
    } else if (passing.has(node.opType)) {
      this.#add(output, flowing[0]);
    } else if (joining.has(node.opType) && flowing.length === node.input.length) {
      this.#add(this.#afterClipping(output));
    }
  }

  /** A ReLU right behind costs nothing where the integers begin behind it. */
  #afterClipping(value: string): string {
    const [next, ...others] = this.#graph.consumers(value);
    const isOnly = next !== undefined && others.length === 0 && !this.#graph.isOutput(value);
    return isOnly && limitsOf(this.#graph, next) !== undefined ? (next.output[0] as string) : value;
  }
}

function hasConstantFilters(graph: Graph, { opType, input }: NodeProto): boolean {
  const isFlowing = !graph.isConstant(input[0] as string);
  return opType === 'Conv' && isFlowing && graph.weights(input[1]) !== undefined;
}

/** Writes integers into a graph as pairs of QuantizeLinear and DequantizeLinear, which the runtime fuses away. */
class Rewriter {
  readonly #graph: Graph;
  readonly #steps: ReadonlyMap<string, Step>;
  readonly #shared = new Map<string, string>();

  constructor(graph: Graph, steps: ReadonlyMap<string, Step>) {
    this.#graph = graph;
    this.#steps = steps;
  }

  run(): void {
    const graph = this.#graph;
    // Consumers take the pair's result; an output of the model keeps its name.
    const renamed = new Map<string, string>();
    const nodes: NodeProto[] = [];
    const pair = (value: string) => {
      const isOutput = graph.isOutput(value);
      const from = isOutput ? graph.uniqueName(`${value}/float`) : value;
      const to = isOutput ? value : graph.uniqueName(`${value}/dequantized`);
      renamed.set(value, to);
      nodes.push(...this.#pair(value, from, to));
      return from;
    };
    for (const input of graph.inputs) if (this.#steps.has(input)) pair(input);
    for (const node of graph.nodes) {
      const [before, rewritten] = this.#quantizeParameters(node);
      rewritten.input = rewritten.input.map((name) => renamed.get(name) ?? name);
      nodes.push(...before, rewritten);
      const output = rewritten.output[0] as string;
      if (this.#steps.has(output)) rewritten.output[0] = pair(output);
    }
    graph.nodes = nodes;
  }

  #pair(value: string, from: string, to: string): NodeProto[] {
    const { scale, zeroPoint } = this.#steps.get(value)!;
    const graph = this.#graph;
    const step = graph.setConstant(graph.uniqueName(`${value}/scale`), 'float32', [], Float32Array.of(scale));
    const zero = this.#once(`uint8/${zeroPoint}`, 'uint8', [], Uint8Array.of(zeroPoint));
    const integers = graph.uniqueName(`${value}/quantized`);
    return [
      makeNode('QuantizeLinear', [from, step, zero], [integers]),
      makeNode('DequantizeLinear', [integers, step, zero], [to]),
    ];
  }

  /** Constants behind a DequantizeLinear; other nodes stay as they are. */
  #quantizeParameters(node: NodeProto): [NodeProto[], NodeProto] {
    const graph = this.#graph;
    const input = this.#steps.get(node.input[0] as string);
    if (input === undefined) return [[], node];
    if (hasConstantFilters(graph, node)) {
      const filters = quantizeWeights(graph.weights(node.input[1])!, 0);
      const before = [this.#dequantize(node.input[1] as string, filters)];
      const [x, , bias] = node.input as [string, string, string?];
      // The runtime makes integers of a convolution's bias by itself, by the same rule (onnxruntime 1.21 and later).
      return [before, { ...node, input: [x, before[0]!.output[0] as string, ...(bias ? [bias] : [])] }];
    }
    const product = denseProduct(graph, node);
    if (product === undefined) return [[], node];
    const quantized = quantizeWeights(product.weights, 1);
    const before = [this.#dequantize(product.kernel, quantized)];
    const parameters = [product.input, before[0]!.output[0] as string];
    if (product.bias !== undefined)
      parameters.push(this.#bias(product.bias, input.scale, quantized.scales, before));
    const rewritten = makeNode(node.opType, parameters, node.output);
    rewritten.name = node.name;
    return [before, rewritten];
  }

  /** Weights as `DequantizeLinear` of int8, with a step for each output channel. */
  #dequantize(name: string, { dims, values, scales, axis }: QuantizedWeights): NodeProto {
    return this.#constant(name, 'int8', dims, values, scales, new Int8Array(scales.length), axis);
  }

  /** In steps of activation times weight, so that it adds to the integer sum as it is. */
  #bias(name: string, inputScale: number, scales: Float32Array, before: NodeProto[]): string {
    const bias = this.#graph.weights(name);
    if (bias === undefined || bias.data.length !== scales.length) return name;
    const steps = scales.map((scale) => Math.fround(scale * inputScale));
    const values = Int32Array.from(bias.data, (value, i) => Math.round(value / (steps[i] as number)));
    const node = this.#constant(
      name,
      'int32',
      [values.length],
      values,
      steps,
      new Int32Array(steps.length),
      0,
    );
    before.push(node);
    return node.output[0] as string;
  }

  /** A constant that many nodes take, written once. */
  #once(key: string, dtype: 'int8' | 'uint8' | 'int32', dims: readonly number[], data: TensorData): string {
    const known =
      this.#shared.get(key) ?? this.#graph.setConstant(this.#graph.uniqueName(key), dtype, dims, data);
    this.#shared.set(key, known);
    return known;
  }

  /** The zero points are all 0, and have to be there: the runtime fuses nothing without them. */
  #constant(
    name: string,
    dtype: 'int8' | 'int32',
    dims: readonly number[],
    values: TensorData,
    scales: Float32Array,
    zeroPoints: TensorData,
    axis: number,
  ): NodeProto {
    const graph = this.#graph;
    const operands = [
      graph.setConstant(graph.uniqueName(`${name}/${dtype}`), dtype, dims, values),
      graph.setConstant(graph.uniqueName(`${name}/scale`), 'float32', [scales.length], scales),
      this.#once(`${dtype}/zeros/${scales.length}`, dtype, [scales.length], zeroPoints),
    ];
    const output = graph.uniqueName(`${name}/dequantized`);
    return makeNode('DequantizeLinear', operands, [output], { axis: BigInt(axis) });
  }
}

/** Mean of the squared differences between what two models answer to the same rows. */
async function meanSquaredError(
  a: ModelProto,
  b: ModelProto,
  { signature, rows }: MethodContext,
): Promise<number> {
  const [left, right] = [await answers(a, signature, rows), await answers(b, signature, rows)];
  let sum = 0;
  let count = 0;
  left.forEach(({ data }, i) => {
    const other = right[i]!.data;
    for (let j = 0; j < data.length; j++) sum += ((data[j] as number) - (other[j] as number)) ** 2;
    count += data.length;
  });
  return sum / count;
}

/**
 * Weights in int8 with a scale for each output channel, activations in uint8 with steps from calibration rows (QDQ form): a quarter of
 * the size, several times faster, for convolutions too. Of the calibrators the one whose model answers closer on the rows is kept.
 * @see https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
 * @throws ConversionError CONVERSION_UNSUPPORTED_METHOD
 */
export async function staticInt8(model: ModelProto, context: MethodContext): Promise<ModelProto> {
  const { values } = new Plan(new Graph(clone(ModelProtoSchema, model)));
  if (values.size === 0) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_METHOD',
      'The model has neither a convolution nor a dense layer with constant weights. Use none',
    );
  }
  let best: { model: ModelProto; error: number } | undefined;
  for (const calibrator of calibrators) {
    const ranges = await rangesOf(model, [...new Set(values.values())], context, calibrator);
    const steps = new Map([...values].map(([value, like]) => [value, stepOf(ranges.get(like)!)]));
    const changed = clone(ModelProtoSchema, model);
    const graph = new Graph(changed);
    new Rewriter(graph, steps).run();
    graph.finish();
    const error = await meanSquaredError(model, changed, context);
    if (best === undefined || error < best.error) best = { model: changed, error };
  }
  return best!.model;
}
