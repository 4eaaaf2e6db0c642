import { create, type DescMessage, isFieldSet, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from './generated/onnx_pb.js';

/*
 * The library's writer grows its buffer by doubling and copies a message once for each message around it: seconds and several times the
 * model's size in memory for a large one. Weights are copied once here, into their place; the bytes are the same.
 */

/** Numbers of the fields that hold the weights: a model's graph, a graph's constants, a constant's bytes. */
export const graphField = 7;
export const initializerField = 5;
export const rawDataField = 9;
const lengthDelimited = 2;

/** The fields of a message whose numbers are kept, encoded; unknown fields come last. */
function fieldsOf<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  keeps: (number: number) => boolean,
  isEnd = false,
): Uint8Array {
  const part = create(schema) as Record<string, unknown>;
  for (const field of schema.fields) {
    if (keeps(field.number) && isFieldSet(message, field))
      part[field.localName] = (message as Record<string, unknown>)[field.localName];
  }
  if (isEnd && message.$unknown !== undefined) part['$unknown'] = message.$unknown;
  return toBinary(schema, part as MessageShape<Desc>);
}

/** Tag and length in front of a field that is as long as its parts. */
export function delimited(field: number, parts: readonly Uint8Array[]): Uint8Array[] {
  const head: number[] = [(field << 3) | lengthDelimited];
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  for (; length >= 128; length = Math.floor(length / 128)) head.push((length % 128) | 128);
  head.push(length);
  return [Uint8Array.from(head), ...parts];
}

function tensorParts(tensor: TensorProto): Uint8Array[] {
  if (!isFieldSet(tensor, TensorProtoSchema.field.rawData)) return [toBinary(TensorProtoSchema, tensor)];
  return [
    fieldsOf(TensorProtoSchema, tensor, (number) => number < rawDataField),
    ...delimited(rawDataField, [tensor.rawData]),
    fieldsOf(TensorProtoSchema, tensor, (number) => number > rawDataField, true),
  ];
}

/** Deterministic protobuf bytes of a model, in parts of which constants' bytes are some. */
export function encodedParts(model: ModelProto): Uint8Array[] {
  const { graph } = model;
  if (graph === undefined) return [toBinary(ModelProtoSchema, model)];
  return [
    fieldsOf(ModelProtoSchema, model, (number) => number < graphField),
    ...delimited(graphField, [
      fieldsOf(GraphProtoSchema, graph, (number) => number < initializerField),
      ...graph.initializer.flatMap((tensor) => delimited(initializerField, tensorParts(tensor))),
      fieldsOf(GraphProtoSchema, graph, (number) => number > initializerField, true),
    ]),
    fieldsOf(ModelProtoSchema, model, (number) => number > graphField, true),
  ];
}

/** The same in one piece. */
export const encodeModel = (model: ModelProto): Uint8Array => joined(encodedParts(model));

/** Parts of a message, in one piece. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
