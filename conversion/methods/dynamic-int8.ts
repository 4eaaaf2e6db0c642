import { clone } from '@bufbuild/protobuf';
import { ConversionError } from '../errors.ts';
import { Graph, type ModelProto, ModelProtoSchema, makeNode, type NodeProto } from '../onnx/index.ts';
import { type DenseProduct, denseProduct, quantizeWeights } from './quantization.ts';

/** Smaller products gain nothing and lose precision. */
const fewestWeights = 256;

interface QuantizedInput {
  readonly values: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

/** `DynamicQuantizeLinear` of a value, once however many products take it. */
function quantizeInput(graph: Graph, input: string, added: NodeProto[]): QuantizedInput {
  const names = ['quantized', 'scale', 'zero_point'].map((part) => graph.uniqueName(`${input}/${part}`));
  added.push(makeNode('DynamicQuantizeLinear', [input], names));
  const [values, scale, zeroPoint] = names as [string, string, string];
  return { values, scale, zeroPoint };
}

/** The nodes that take a product's place; the runtime fuses them into one kernel. */
function integerProduct(
  graph: Graph,
  { node, kernel, weights, bias }: DenseProduct,
  input: QuantizedInput,
): NodeProto[] {
  const output = node.output[0] as string;
  const quantized = quantizeWeights(weights, 1);
  const name = (part: string) => graph.uniqueName(`${output}/${part}`);
  const values = graph.setConstant(
    graph.uniqueName(`${kernel}/int8`),
    'int8',
    quantized.dims,
    quantized.values,
  );
  const scales = graph.setConstant(
    graph.uniqueName(`${kernel}/scale`),
    'float32',
    [quantized.scales.length],
    quantized.scales,
  );
  const [sum, asFloat, scale] = [name('int32'), name('float'), name('scale')];
  const scaled = bias === undefined ? output : name('scaled');
  return [
    makeNode('MatMulInteger', [input.values, values, input.zeroPoint], [sum]),
    makeNode('Cast', [sum], [asFloat], { to: 1n }),
    makeNode('Mul', [input.scale, scales], [scale]),
    makeNode('Mul', [asFloat, scale], [scaled]),
    ...(bias === undefined ? [] : [makeNode('Add', [scaled, bias], [output])]),
  ];
}

/**
 * Weights of dense products in int8 with a scale for each output, activations quantized as they come, with one scale for all rows of
 * a run (so it is served row by row): a quarter of the size, several times faster, no calibration. Convolutions get slower that way, so a model with any is refused.
 * @throws ConversionError CONVERSION_UNSUPPORTED_METHOD
 */
export function dynamicInt8(model: ModelProto): ModelProto {
  const conv = model.graph!.node.find(({ opType }) => /Conv/.test(opType));
  if (conv !== undefined) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_METHOD',
      `'${conv.name}' is a ${conv.opType}, which dynamic int8 makes several times slower. Use static-int8`,
    );
  }
  const changed = clone(ModelProtoSchema, model);
  const graph = new Graph(changed);
  const inputs = new Map<string, QuantizedInput>();
  let products = 0;
  graph.nodes = graph.nodes.flatMap((node) => {
    const product = denseProduct(graph, node);
    if (product === undefined || product.weights.data.length < fewestWeights) return [node];
    products += 1;
    const added: NodeProto[] = [];
    const input = inputs.get(product.input) ?? quantizeInput(graph, product.input, added);
    inputs.set(product.input, input);
    return [...added, ...integerProduct(graph, product, input)];
  });
  if (products === 0) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED_METHOD',
      'The model has no dense layer of a size that int8 would help. Use none',
    );
  }
  graph.finish();
  return changed;
}
