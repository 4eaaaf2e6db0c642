import { create, fromBinary } from '@bufbuild/protobuf';
import { ConversionError } from '../errors.ts';
import type { Signature, TensorSpec } from '../manifest/index.ts';
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js';
import { dataTypeOf, elementTypes } from './tensors.ts';

/** What is written: every onnxruntime since 1.20 loads it. */
export const irVersion = 10;
export const opset = 21;

/** @throws ConversionError CONVERSION_SOURCE_CORRUPT where the bytes are not an ONNX model. */
export function decodeModel(bytes: Uint8Array, where: string): ModelProto {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${where}: ${(error as Error).message}`);
  }
  if (model.graph === undefined || model.graph.node.length === 0 || model.opsetImport.length === 0) {
    throw new ConversionError('CONVERSION_SOURCE_CORRUPT', `${where}: no graph, or no operator set`);
  }
  return model;
}

/** A model around a graph, as this converter writes it. */
export function modelOf(graph: GraphProto): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    producerName: 'modelmile',
    graph,
  });
}

/** The same model with more outputs; it shares all that is in it, the weights above all. */
export function withOutputs(model: ModelProto, outputs: readonly ValueInfoProto[]): ModelProto {
  const graph = model.graph!;
  return { ...model, graph: { ...graph, output: [...graph.output, ...outputs] } };
}

const attributesIn = (nodes: readonly NodeProto[]) => nodes.flatMap(({ attribute }) => attribute);
const functionAttributes = ({ functions }: ModelProto): AttributeProto[] =>
  functions.flatMap(({ node, attributeProto }) => [...attributesIn(node), ...attributeProto]);

/** A model's graph, and the bodies of its nodes and functions, theirs included. */
export function graphsOf(model: ModelProto): GraphProto[] {
  const graphs = [model.graph!];
  const addBodies = (attributes: readonly AttributeProto[]) => {
    for (const { g, graphs: bodies } of attributes)
      for (const body of g === undefined ? bodies : [g, ...bodies]) graphs.push(body);
  };
  addBodies(functionAttributes(model));
  for (const { node } of graphs) addBodies(attributesIn(node));
  return graphs;
}

/** The attributes of all nodes of a model, those of bodies and functions included. */
export const attributesOf = (model: ModelProto): AttributeProto[] => [
  ...graphsOf(model).flatMap(({ node }) => attributesIn(node)),
  ...functionAttributes(model),
];

/** The opset of ONNX's own operators that a model asks for. */
export function opsetOf(model: ModelProto): number {
  const own = model.opsetImport.find((entry) => entry.domain === '' || entry.domain === 'ai.onnx');
  return Number(own?.version ?? 0n);
}

/** A graph input or output; -1 becomes a named dimension, the first one `batch`. */
export function valueInfo(spec: TensorSpec): ValueInfoProto {
  const dim = spec.shape.map((size, axis) =>
    size >= 0
      ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { case: 'dimParam' as const, value: axis === 0 ? 'batch' : `${spec.name}_${axis}` } },
  );
  return create(ValueInfoProtoSchema, {
    name: spec.name,
    type: { value: { case: 'tensorType', value: { elemType: elementTypes[spec.dtype], shape: { dim } } } },
  });
}

function tensorSpec(info: ValueInfoProto, where: string): TensorSpec {
  const tensor = info.type?.value.case === 'tensorType' ? info.type.value.value : undefined;
  const dtype = dataTypeOf(tensor?.elemType ?? 0);
  if (tensor?.shape === undefined || dtype === undefined) {
    throw new ConversionError(
      'CONVERSION_UNSUPPORTED',
      `${where}: '${info.name}' is not a tensor of a known element type and rank: give it both where the model is made`,
    );
  }
  const shape = tensor.shape.dim.map((d) => (d.value.case === 'dimValue' ? Number(d.value.value) : -1));
  return { name: info.name, dtype, shape: shape.map((size) => (size < 0 ? -1 : size)) };
}

/** What a model takes and gives. Initializers that old exporters also list as inputs are not inputs. */
export function signatureOf(model: ModelProto, where: string): Signature {
  const graph = model.graph!;
  const constants = new Set(graph.initializer.map((tensor) => tensor.name));
  return {
    inputs: graph.input.filter((info) => !constants.has(info.name)).map((info) => tensorSpec(info, where)),
    outputs: graph.output.map((info) => tensorSpec(info, where)),
  };
}
