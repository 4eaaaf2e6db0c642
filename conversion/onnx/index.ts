/** ONNX as this project reads and writes it: messages, models, tensors and the graph builder. */

export * from './encode.ts';
export * from './external-data.ts';
export {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js';
export * from './graph.ts';
export * from './graph-builder.ts';
export * from './model.ts';
export * from './shipped.ts';
export * from './tensors.ts';
